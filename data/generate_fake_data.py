"""`./run seed`: believable users, videos, events and attacks, as files or straight into Supabase."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from core.crypto import data_key
from core.errors import BadInput
from core.settings import ROOT, load_settings
from core.terminal import console
from core.timewindows import parse_utc
from data.attacks import ATTACKS
from data.dataset import Dataset, make_dataset
from data.insert import insert_dataset, require_consent
from data.plan import Plan, midnight
from data.simulator import attack_names
from data.snapshot import check_target, write_snapshot

DEFAULT = Plan(end=datetime(2026, 1, 1, tzinfo=UTC))
SNAPSHOTS = ROOT / "data" / "snapshots"


def window(start: str | None, end: str | None, days: int) -> tuple[datetime, int]:
    """End and length in days of the data: `days` before `end`, or from `start` on; the last midnight by
    default.
    """
    if start is None:
        return (parse_utc(end, name="--end") if end else midnight(datetime.now(UTC))), days
    first = parse_utc(start, name="--start")
    if end is None:
        return first + timedelta(days=days), days
    length = parse_utc(end, name="--end") - first
    if length < timedelta(days=1) or length % timedelta(days=1):
        raise BadInput(f"from --start {start} to --end {end} must be one or more whole days")
    return first + length, length.days


def main(
    users: Annotated[int, typer.Option(help="Honest users, creators included.")] = DEFAULT.users,
    creator_ratio: Annotated[float, typer.Option(help="Share of the users that publish.")] = DEFAULT.creator_ratio,
    min_videos: Annotated[int, typer.Option(help="Fewest videos of a creator.")] = DEFAULT.min_videos,
    max_videos: Annotated[int, typer.Option(help="Most videos of a creator.")] = DEFAULT.max_videos,
    min_events: Annotated[int, typer.Option(help="Fewest honest events of a video.")] = DEFAULT.min_events,
    max_events: Annotated[int, typer.Option(help="Most honest events of a video.")] = DEFAULT.max_events,
    min_tx: Annotated[int, typer.Option(help="Fewest bonuses of a creator.")] = DEFAULT.min_tx,
    max_tx: Annotated[int, typer.Option(help="Most bonuses of a creator.")] = DEFAULT.max_tx,
    emails: Annotated[str, typer.Option(help="Viewers that can log in: addresses, comma-separated.")] = "",
    creator_emails: Annotated[str, typer.Option(help="Creators that can log in: addresses, comma-separated.")] = "",
    days: Annotated[int, typer.Option(help="Length of the stretch of time.")] = DEFAULT.days,
    start: Annotated[str | None, typer.Option(help="First day, ISO; default: --days before the end.")] = None,
    end: Annotated[str | None, typer.Option(help="End, ISO; default: the last midnight UTC.")] = None,
    attacks: Annotated[str, typer.Option(help=f"all, none, or some of {', '.join(ATTACKS)}.")] = "none",
    seed: Annotated[int, typer.Option(help="The same seed and options give the same data.")] = DEFAULT.seed,
    first_id: Annotated[int, typer.Option(help="First id of users, videos and events.")] = DEFAULT.first_id,
    insert: Annotated[bool, typer.Option("--insert", help="Put the data into Supabase.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the snapshot; by default one in data/snapshots.")] = None,
    kind: Annotated[
        str, typer.Option("--format", help="The files' format, json or parquet; very long tables are always Parquet.")
    ] = "json",
    yes_i_mean: Annotated[str | None, typer.Option(help="Address of a hosted project that may be seeded.")] = None,
) -> None:
    """Generate believable data: people, videos, traffic, labelled attacks. Without --insert a snapshot is
    written.
    """
    last, length = window(start, end, days)
    viewers, creators = _addresses(emails), _addresses(creator_emails)
    names = attack_names(attacks)
    plan = Plan(
        end=last,
        days=length,
        users=users,
        creator_ratio=creator_ratio,
        min_videos=min_videos,
        max_videos=max_videos,
        min_events=min_events,
        max_events=max_events,
        min_tx=min_tx,
        max_tx=max_tx,
        seed=seed,
        first_id=first_id,
    )
    if (viewers or creators) and not insert:
        raise BadInput("--emails and --creator-emails make log-ins, which needs --insert")
    folder = (out or SNAPSHOTS / f"{last:%Y%m%d}-{length}d-seed{seed}").resolve()
    keeps = out is not None or not insert
    if keeps:
        check_target(folder, kind)
    settings = None
    if insert:
        settings = load_settings()
        require_consent(settings, yes_i_mean)
        data_key(settings)  # said before the work, not after it
    begin = time.monotonic()
    dataset = make_dataset(plan, names)
    console.print(f"generated {_sizes(dataset)} in {time.monotonic() - begin:.1f} s, seed {seed}", soft_wrap=True)
    if settings is not None:
        begin = time.monotonic()
        done = insert_dataset(settings, dataset, emails=viewers, creator_emails=creators)
        rows = ", ".join(f"{count:,} {name}" for name, count in done.new.items())
        console.print(f"inserted {rows} new in {time.monotonic() - begin:.1f} s", soft_wrap=True)
        for account in done.accounts:
            _tell(account.email, account.user_id, account.password, account.confirmed)
        dataset = done.dataset
    if keeps:
        written = write_snapshot(dataset, folder, kind)
        console.print(f"wrote {len(written)} files to {folder}", soft_wrap=True)


def _addresses(text: str) -> list[str]:
    found = list(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    for address in found:
        name, _, domain = address.partition("@")
        if not name or "." not in domain or " " in address:
            raise BadInput(f"{address!r} is not an e-mail address")
    return found


def _sizes(dataset: Dataset) -> str:
    return ", ".join(f"{table.num_rows:,} {name}" for name, table in dataset.tables().items())


def _tell(email: str, user_id: int, password: str | None, confirmed: bool) -> None:
    how = "had an account before" if password is None else f"password {password}"
    waits = "" if confirmed else "; confirm the address by the mail that was sent to it"
    console.print(f"  {email} is user {user_id}, {how}{waits}", soft_wrap=True)
