"""`./run split`: scores a window and splits a pool with files alone; no database, no network."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import typer

from core.engine import DEFAULT_MEMORY_LIMIT, Engine, engine_name, engine_refusals, open_engine, sorts_in_process
from core.errors import BadInput
from core.lean import give_back, start_arrow_alone
from core.limits import DEFAULT_ENGINE, ENGINES, MOST_THREADS
from core.table_proof import count_bad
from core.tables import (
    EVENTS,
    LABELS,
    USERS,
    VIDEOS,
    check_references,
    first_not_in,
    read_table,
    refuse_bad_text,
    scan_in_place,
    scan_table,
)
from core.timewindows import DAY_US, Window, from_us, parse_utc, to_us
from revenue_split.allocation import SplitResult, split_window
from revenue_split.outputs import SUMMARY, check_folder, write_folder
from revenue_split.policy import DEFAULT_POLICY, MOST_CENTS, POLICIES, Policy, policy_named
from viewer_activity.model import WindowScores, model_named, score_window

RESULTS = ("viewer_weights", "video_aggregates", "video_rev_shares", "creator_payouts")
FILES = (*(f"{name}.parquet" for name in RESULTS), SUMMARY)


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be split. `out` is a folder; the three inputs are Parquet, CSV or JSON lines."""

    users: Path
    videos: Path
    events: Path
    window: Window
    pool_cents: int
    policy: Policy
    out: Path
    use_caps: bool = True
    as_of: datetime | None = None
    #: What people decided about accounts.
    labels: Path | None = None


@dataclass(slots=True)
class Clock:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - begin, 3)


def split_files(con: Engine, job: Job) -> dict[str, Any]:
    """Reads, checks, scores, splits and writes; returns the summary. Raises BadInput with nothing written.

    Each UTC day of the window is scored by itself and the days are summed, as the database does it. Days before
    the window that have events are scored as well, for the creators' past alone: they are never paid.
    """
    if job.pool_cents < 0:
        raise BadInput(f"--pool-cents can not be negative, got {job.pool_cents}")
    if job.pool_cents > MOST_CENTS:
        raise BadInput(f"--pool-cents can be {MOST_CENTS} at most, got {job.pool_cents}")
    check_folder(job.out, FILES)
    clock = Clock()
    with clock.stage("read"):
        users, videos, rows, first = read_inputs(con, job)
        labels = read_labels(job, users)
    with clock.stage("score"):
        scored = score_inputs(con, job, videos, first, labels, to_explain=False)
        scores = scored.days
    with clock.stage("split"):
        result = split_window(
            policy=job.policy,
            window=job.window,
            pool_cents=job.pool_cents,
            scores=scores,
            videos=videos,
            creators=users,
            use_caps=job.use_caps,
        )
        # In the order of days: history comes first.
        history = np.searchsorted(scores["window_start"].cast(pa.int64()).to_numpy(), job.window.start_us)
        inside = scores.slice(int(history))
    with clock.stage("write"):
        tables = {
            "viewer_weights": viewer_weights(users) if scored.weights is None else scored.weights,
            "video_aggregates": inside,
            "video_rev_shares": result.videos,
            "creator_payouts": result.creators,
        }
        # The stage that writes the summary can not tell its own end: it is left out of the file.
        summary = _summary(job, result, rows, clock, engine=engine_name(con), weighed=scored.weights is not None)
        write_folder(job.out, tables, summary)
    return summary | {"seconds": clock.seconds}


def read_inputs(con: Engine, job: Job) -> tuple[pa.Table, pa.Table, dict[str, int], int | None]:
    """Users and videos; the relations `users`, `videos`, `events` in `con`; rows in; the first event's time."""
    # Side by side; the first file in this order that is bad is the one that is named.
    with ThreadPoolExecutor(max_workers=2) as pool:
        reading_users = pool.submit(read_table, job.users, USERS)
        reading_videos = pool.submit(read_table, job.videos, VIDEOS)
        users, videos = reading_users.result(), reading_videos.result()
    con.register("users", users)
    con.register("videos", videos)
    events, first = _read_events(con, job, users, videos)
    return users, videos, {"users": users.num_rows, "videos": videos.num_rows, "events": events}, first


def _read_events(con: Engine, job: Job, users: pa.Table, videos: pa.Table) -> tuple[int, int | None]:
    """Their number and the time of the first; every one of them names a user and a video that there is."""
    files: dict[str, Path | str] = {"users": job.users, "videos": job.videos, "events": job.events}
    asks = not sorts_in_process(con) and scan_in_place(con, job.events, EVENTS, "events")
    if asks:
        found = count_bad(con, "events", EVENTS, time="ts", references={"video_id": "videos", "user_id": "users"})
        if not found.bad and _fits(users, videos, None):
            return found.rows, found.first_us
        # Something is wrong: the walk below names the first of it, but for text, which it leaves alone.
    count, firsts, fits = 0, [], True
    for keys in scan_table(con, job.events, EVENTS, "events"):
        count += keys.num_rows
        firsts += [to_us(first)] if (first := pc.min(keys["ts"]).as_py()) else []
        fits = fits and _fits(users, videos, keys)
    if not fits:
        # After the last slice, for bad values are told first; over the whole, for the row is the file's.
        check_references(users, videos, pa.concat_tables(scan_table(con, job.events, EVENTS, "events")), files=files)
    if asks:
        refuse_bad_text(job.events, EVENTS)
    # The walk left as much behind as the log is long.
    give_back()
    return count, min(firsts, default=None)


def _fits(users: pa.Table, videos: pa.Table, keys: pa.Table | None) -> bool:
    try:
        check_references(users, videos, keys)
    except BadInput:
        return False
    return True


def read_labels(job: Job, users: pa.Table) -> pa.Table | None:
    """What people decided; every label names an account that there is."""
    if job.labels is None:
        return None
    if not model_named(job.policy.model).weighs:
        raise BadInput(
            f"{job.policy.name} counts everybody in full, so that no verdict changes anything", file=job.labels
        )
    labels = read_table(job.labels, LABELS)
    named = labels["user_id"].to_numpy()
    row = first_not_in(named, users["id"].to_numpy())
    if row is not None:
        sentence = f"{named[row]} is not the id of any row in users"
        raise BadInput(sentence, file=job.labels, column="user_id", row=row + 1)
    return labels


def score_inputs(
    con: Engine,
    job: Job,
    videos: pa.Table,
    first: int | None,
    labels: pa.Table | None,
    *,
    to_explain: bool = True,
) -> WindowScores:
    try:
        return score_window(
            con,
            job.policy.model,
            job.window,
            seen=_with_history(job.window, first),
            videos=videos,
            as_of=job.as_of,
            with_quiet=True,
            labels=labels,
            to_explain=to_explain,
        )
    except duckdb.InvalidInputException:
        # Free text is left to the engine, so that a good log is read once; which row it was is looked up only now.
        refuse_bad_text(job.events, EVENTS)
        raise


def _with_history(window: Window, first_us: int | None) -> Window:
    """`window` reaching back to the midnight before the first event."""
    if first_us is None or first_us >= window.start_us:
        return window
    return Window(from_us(first_us // DAY_US * DAY_US), window.end)


def viewer_weights(users: pa.Table) -> pa.Table:
    """A weight of 1 without reasons for everybody: the classic model counts every viewer in full."""
    ids = np.sort(users["id"].to_numpy())
    none = pa.ListArray.from_arrays(pa.array(np.zeros(len(ids) + 1, np.int32)), pa.array([], pa.string()))
    return pa.table(
        {
            "user_id": ids,
            "weight": np.ones(len(ids)),
            "cluster_id": pa.nulls(len(ids), pa.int64()),
            "reasons": none,
        }
    )


def _summary(
    job: Job, result: SplitResult, rows: dict[str, int], clock: Clock, *, engine: str, weighed: bool
) -> dict[str, Any]:
    return {
        "policy": job.policy.name,
        "model": job.policy.model,
        "window": {"start": job.window.start.isoformat(), "end": job.window.end.isoformat()},
        "as_of": job.as_of.isoformat() if job.as_of else "the end of each scored day",
        "pool_cents": result.pool_cents,
        "allocated_cents": result.allocated_cents,
        "residual_cents": result.residual_cents,
        "kyc_caps": job.use_caps,
        "withheld": {reason: asdict(part) for reason, part in result.withheld.items()},
        "creators": result.creators.num_rows,
        "videos": result.videos.num_rows,
        "rows_in": rows,
        "seconds": dict(clock.seconds),
        "engine": engine,
        "policy_rules": job.policy.to_json(),
        "notes": []
        if weighed
        else [f"{job.policy.model} has no viewer weights: every viewer's weight is 1, without reasons"],
    }


File = Annotated[Path, typer.Option(help="Parquet, CSV or JSON lines.", metavar="FILE")]
Days = Annotated[Path, typer.Option(help="The same, or a folder of Parquet files, such as days.", metavar="PATH")]


def main(
    users: File,
    videos: File,
    events: Days,
    start: Annotated[str, typer.Option(metavar="ISO", help="The window's start, UTC.")],
    end: Annotated[str, typer.Option(metavar="ISO", help="The window's end, UTC, not included.")],
    pool_cents: Annotated[int, typer.Option(metavar="N", help="The pool in whole cents.")],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="A new or empty folder, or one with an earlier result, which is replaced."),
    ],
    policy: Annotated[str, typer.Option(help=f"One of {', '.join(POLICIES)}.")] = DEFAULT_POLICY,
    no_kyc_caps: Annotated[bool, typer.Option("--no-kyc-caps", help="Do not cap pay by KYC level.")] = False,
    as_of: Annotated[
        str | None, typer.Option(metavar="ISO", help="When ages are taken; by default at each scored day's end.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Verdicts of people on accounts, which outrank the machine."),
    ] = None,
    memory_limit: Annotated[
        str,
        typer.Option(
            envvar="FAIRSHARE_MEMORY_LIMIT",
            help="The engine's; more is spilled to disk. Weighing takes some 110 bytes an event beside it.",
        ),
    ] = DEFAULT_MEMORY_LIMIT,
    temp_dir: Annotated[Path | None, typer.Option(envvar="FAIRSHARE_TEMP_DIR", help="Where it spills to.")] = None,
    threads: Annotated[
        int | None, typer.Option(envvar="FAIRSHARE_THREADS", min=1, max=MOST_THREADS, help="By default all.")
    ] = None,
    engine: Annotated[
        str, typer.Option(envvar="FAIRSHARE_ENGINE", help=f"{' or '.join(ENGINES)}; see docs/spark.md.")
    ] = DEFAULT_ENGINE,
    spark_master: Annotated[
        str | None, typer.Option(envvar="FAIRSHARE_SPARK_MASTER", help="By default Spark in this machine's Java.")
    ] = None,
) -> None:
    """Score a window and split a pool with files alone: no database, no network.

    The inputs have the columns of the tables users, videos and event; every column but ids, creator_id,
    event_type and ts may be missing or empty. Events from --end on are left out; events before --start are never
    paid and serve the creators' past alone. Each UTC day is scored by itself and the days are summed.

    --labels has the columns user_id, verdict (confirmed or cleared), reason_code, expires_at, reports_upheld and
    reports_dismissed, all but the first optional: a confirmed account counts for nothing and a cleared one in full
    in windows that end before the verdict expires.

    Writes viewer_weights.parquet, video_aggregates.parquet, video_rev_shares.parquet, creator_payouts.parquet and
    summary.json; all of them or, on any error, none. With KYC caps, a creator whose level is unknown gets nothing
    yet, and the summary says so. allocated_cents + residual_cents == pool_cents, always.
    """
    job = Job(
        users=users,
        videos=videos,
        events=events,
        window=Window(parse_utc(start, name="--start"), parse_utc(end, name="--end")),
        pool_cents=pool_cents,
        policy=policy_named(policy),
        out=out,
        use_caps=not no_kyc_caps,
        as_of=parse_utc(as_of, name="--as-of") if as_of else None,
        labels=labels,
    )
    start_arrow_alone()
    with (
        open_engine(
            engine, memory_limit=memory_limit, threads=threads, temp_dir=temp_dir, spark_master=spark_master
        ) as con,
        engine_refusals(),
    ):
        summary = split_files(con, job)
    typer.echo(json.dumps({name: summary[name] for name in REPORTED}, indent=2))


REPORTED = ("policy", "pool_cents", "allocated_cents", "residual_cents", "creators", "withheld", "seconds")
