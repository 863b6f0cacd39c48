"""A dataset into Supabase: demo log-ins first, then all rows; a second time changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pyarrow as pa

from core.crypto import data_key
from core.errors import BadInput
from core.settings import Settings
from core.terminal import progress
from data import load_api
from data.accounts import Account, ensure_account
from data.dataset import Dataset, renamed
from data.load import Batch, load
from data.sealing import sealed_info

ADVICE = "nothing was written; another seed or size needs another --first-id, or an empty database"


@dataclass(frozen=True)
class Inserted:
    """New rows by table, the log-ins, and the dataset with the ids that the log-ins have."""

    new: dict[str, int]
    accounts: tuple[Account, ...]
    dataset: Dataset


def require_consent(settings: Settings, consent: str | None) -> None:
    """A database that is not on this machine is only seeded when its address is said. Raises BadInput."""
    if settings.is_local and _database_is_local(settings):
        return
    if (consent or "").rstrip("/") != settings.supabase_url.rstrip("/"):
        raise BadInput(
            f"{settings.supabase_url} is no local stack and made-up data would mix with real ones; "
            f"if that is meant, say --yes-i-mean {settings.supabase_url}"
        )


def _database_is_local(settings: Settings) -> bool:
    if settings.supabase_db_url is None:
        return True
    url = settings.supabase_db_url.get_secret_value()
    try:
        host = str(psycopg.conninfo.conninfo_to_dict(url).get("host") or "")
    except psycopg.ProgrammingError:
        host = urlsplit(url).hostname or "unknown"
    return host.startswith("/") or host in ("", "localhost", "127.0.0.1", "::1")


def insert_dataset(
    settings: Settings,
    dataset: Dataset,
    *,
    emails: Sequence[str] = (),
    creator_emails: Sequence[str] = (),
    password: str | None = None,
) -> Inserted:
    """Inserts a dataset. The first addresses become viewers, the others the honest creators with the most
    events.

    Over a database connection all rows go in one transaction. Over the API they go in batches, and an
    interrupted run goes on where it stopped. Raises BadInput, LoadError, SignUpError, ConfigError.
    """
    key = data_key(settings)
    with progress("insert", total=None) as advance:
        chosen = _chosen(dataset, len(emails), len(creator_emails))
        accounts = []
        for email in (*emails, *creator_emails):
            advance(note=f"signing up {email}")
            accounts.append(ensure_account(settings, email, password=password))
        ids = dict(zip(chosen, (account.user_id for account in accounts), strict=True))
        ours = _with_emails(renamed(_fit_for_demo(dataset, chosen, len(emails)), ids), accounts)
        advance(note="sealing personal data")
        tables = ours.tables() | {"user_info": sealed_info(ours.user_info, key)}
        batch = Batch(tables=tables, signed_up=tuple(ids.values()), advice=ADVICE)
        into = load if settings.supabase_db_url is not None else load_api.load
        new = into(settings, batch, note=lambda text: advance(note=text))
    return Inserted(new, tuple(accounts), ours)


def _chosen(dataset: Dataset, viewers: int, creators: int) -> list[int]:
    """Simulated users for the log-ins: active honest viewers, and honest creators in the order of their
    events.
    """
    world = dataset.world
    users = world.users.slice(0, dataset.plan.users)
    ids = users["id"].to_numpy()
    is_creator = users["is_creator"].to_numpy(zero_copy_only=False)
    free = ~np.isin(ids, world.taken) & ~users["likely_bot"].to_numpy(zero_copy_only=False)
    first = dataset.plan.first_id
    made = np.bincount(
        world.videos["creator_id"].to_numpy() - first, weights=world.events_by_video, minlength=world.users.num_rows
    )
    seen = np.bincount(world.events["user_id"].to_numpy() - first, minlength=world.users.num_rows)
    picked: list[int] = []
    for wanted, fits, rank, what in (
        (viewers, free & ~is_creator, seen, "viewers"),
        (creators, free & is_creator, made, "creators"),
    ):
        order = [n for n in np.argsort(-rank[: len(ids)], kind="stable").tolist() if fits[n]][:wanted]
        if len(order) < wanted:
            raise BadInput(f"there are only {len(order)} {what} for {wanted} log-ins; raise --users")
        picked += ids[order].tolist()
    return picked


def _fit_for_demo(dataset: Dataset, chosen: list[int], viewers: int) -> Dataset:
    """Log-ins have a known KYC level: 0 for viewers, 3 for creators, so that a demo creator can be paid."""
    if not chosen:
        return dataset
    world = dataset.world
    ids = world.users["id"].to_numpy()
    level = world.users["kyc_level"].to_pylist()
    for number, user in enumerate(chosen):
        level[int(np.flatnonzero(ids == user)[0])] = 0 if number < viewers else 3
    at = world.users.schema.get_field_index("kyc_level")
    users = world.users.set_column(at, world.users.schema.field("kyc_level"), pa.array(level, pa.int32()))
    return replace(dataset, world=replace(world, users=users))


def _with_emails(dataset: Dataset, accounts: Sequence[Account]) -> Dataset:
    info = dataset.user_info
    owners = info["user_id"].to_pylist()
    email = info["email"].to_pylist()
    for account in accounts:
        email[owners.index(account.user_id)] = account.email
    at = info.schema.get_field_index("email")
    return replace(dataset, user_info=info.set_column(at, info.schema.field("email"), pa.array(email, pa.string())))
