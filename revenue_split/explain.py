"""`./run explain`: why events counted as they did, with files alone, in the words that creators read in the portal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer

from core.engine import connect, engine_refusals
from core.errors import BadInput
from core.timewindows import Window, parse_utc
from revenue_split.allocation import split_window
from revenue_split.counterfactual import pay_without
from revenue_split.policy import FAIRSHARE_V1, MOST_CENTS
from revenue_split.report import money
from revenue_split.split import File, Job, read_inputs, read_labels, score_inputs
from viewer_activity.explanations import explain
from viewer_activity.telling import told

MOST = 3
CURRENCY = "USD"


def explanations(con: duckdb.DuckDBPyConnection, job: Job) -> list[dict[str, Any]]:
    """One entry a video with an event in the window, the most discounted first: the columns of `explain` with groups
    as a list, and allocated_cents and cents_without of the job's pool.
    """
    users, videos, _, first = read_inputs(con, job)
    scored = score_inputs(con, job, videos, first, read_labels(job, users))
    weights, events, _ = scored.in_process()
    found = explain(con, weights, events).videos
    shares = split_window(
        policy=job.policy,
        window=job.window,
        pool_cents=job.pool_cents,
        scores=scored.days,
        videos=videos,
        creators=users,
        use_caps=job.use_caps,
    ).videos
    cents = dict(zip(shares["video_id"].to_pylist(), shares["allocated_cents"].to_pylist(), strict=True))
    ranked = found.sort_by([("discounted_units", "descending"), ("video_id", "ascending")])
    rows: list[dict[str, Any]] = ranked.to_pylist()
    for row in rows:
        row["groups"] = json.loads(row["groups"])
        row["allocated_cents"] = cents.get(row["video_id"], 0)
        row["cents_without"] = pay_without(row["allocated_cents"], row, job.policy)
    return rows


def lines(row: Mapping[str, Any]) -> Iterator[str]:
    """One video's explanation as text."""
    yield f"video {row['video_id']}: EIS {_score(row['eis'])}, pay {money(row['allocated_cents'], CURRENCY)}"
    for one in told(row["groups"]):
        yield f"  {one.reason.title}: {one.headline}"
        if not one.is_plain:
            yield f"    {one.reason.sentence}"
            yield f"    {one.reason.action}"
    if row["discounted_units"] > 0:
        pay = "nothing" if row["cents_without"] is None else money(row["cents_without"], CURRENCY)
        yield f"  without what was discounted: EIS {_score(row['eis_without'])}, pay about {pay}"


def _score(eis: float | None) -> str:
    return "none" if eis is None else f"{eis:.1f}"


def main(
    users: File,
    videos: File,
    events: File,
    start: Annotated[str, typer.Option(metavar="ISO", help="The window's start, UTC.")],
    end: Annotated[str, typer.Option(metavar="ISO", help="The window's end, UTC, not included.")],
    pool_cents: Annotated[int, typer.Option(min=0, max=MOST_CENTS, metavar="N", help="The pool in whole cents.")] = 0,
    video: Annotated[list[int] | None, typer.Option(metavar="ID", help="A video; may be given more than once.")] = None,
    most: Annotated[
        int, typer.Option(min=1, metavar="N", help="Without --video: how many of the most discounted.")
    ] = MOST,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verdicts of people on accounts, as ./run split takes them.")
    ] = None,
    no_kyc_caps: Annotated[bool, typer.Option("--no-kyc-caps", help="Do not cap pay by KYC level.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Explain the scores and the pay of videos under fairshare_v1, from files alone.

    For each video: what came from whom and what it counted as, by reason, what can be done, and what the EIS and the
    pay would be without the events that somebody or something speaks against.
    """
    window = Window(parse_utc(start, name="--start"), parse_utc(end, name="--end"))
    job = Job(
        users=users,
        videos=videos,
        events=events,
        window=window,
        pool_cents=pool_cents,
        policy=FAIRSHARE_V1,
        out=Path(),
        use_caps=not no_kyc_caps,
        labels=labels,
    )
    with connect() as con, engine_refusals():
        rows = explanations(con, job)
    if video:
        by_id = {row["video_id"]: row for row in rows}
        for number in video:
            if number not in by_id:
                raise BadInput(f"video {number} had no event between {window}")
        rows = [by_id[number] for number in video]
    for row in rows if video else rows[:most]:
        typer.echo(json.dumps(_told(row)) if as_json else "\n".join(lines(row)))


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as JSON, its groups with their words."""
    return dict(row) | {"told": [asdict(one) for one in told(row["groups"])]}
