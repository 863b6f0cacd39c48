"""`./run bench`: every way of scoring on the same generated events, beside DuckDB's bare count, in one run."""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks import database, features_postgres, money
from benchmarks.measure import count_seconds, run_measured
from benchmarks.worlds import WEEK, write_world
from core.errors import BadInput, StackError
from core.money import divide, tie_key
from core.terminal import console
from revenue_split.policy import POLICIES

#: Times the bare count, at five million events and more; below, the start of Python outweighs the work.
RATIO_GOALS = {"classic_v1": 40.0, "fairshare_v1": 60.0}
MEMORY_GOALS_GIB = {"classic_v1": 4.0, "fairshare_v1": 12.0}
GOALS_FROM = 5_000_000
#: A longer log has to fit into memory; how long it may take is nobody's goal.
RATIO_GOALS_TO = 20_000_000
DIVIDE_GOAL_S = 2.0
DATABASE_GOAL_PER_S = 300_000
POOL_CENTS = 10_000_000
#: The count and the others take turns, so that a busy moment of the machine meets all of them.
ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One way at one size: the median seconds, start-up included where it is a command; the highest memory."""

    name: str
    events: int
    seconds: float
    floor_s: float
    memory_gib: float | None = None

    @property
    def ratio(self) -> float:
        return self.seconds / self.floor_s

    @property
    def met(self) -> bool:
        """Whether the goals hold, as far as there are any for this way and size."""
        if self.events < GOALS_FROM or self.name not in RATIO_GOALS:
            return True
        quick = self.events > RATIO_GOALS_TO or self.ratio <= RATIO_GOALS[self.name]
        return quick and (self.memory_gib or 0.0) <= MEMORY_GOALS_GIB[self.name]

    def line(self) -> str:
        """The row of the table that is printed."""
        memory = f"{self.memory_gib:>8.2f}" if self.memory_gib is not None else f"{'–':>8}"
        rate = self.events / self.seconds
        return f"{self.events:>11} {self.name:<14} {self.seconds:>9.3f} {self.ratio:>7.1f} {rate:>12.0f} {memory}"


def split_command(folder: Path, policy: str) -> list[str]:
    """`./run split` over the files in `folder`."""
    command = [sys.executable, "-m", "cli", "split", "--policy", policy]
    for name in ("users", "videos", "events"):
        command += [f"--{name}", str(folder / f"{name}.parquet")]
    command += ["--start", WEEK.start.isoformat(), "--end", WEEK.end.isoformat()]
    return [*command, "--pool-cents", str(POOL_CENTS), "--out", str(folder / f"out-{policy}")]


def measure(events: int, folder: Path, *, policies: list[str], with_others: bool, rounds: int) -> Iterator[Measured]:
    """Makes a world of `events` events in `folder` and measures every way on it."""
    write_world(events, folder)
    ways: dict[str, Callable[[], tuple[float, float | None]]] = {}
    for policy in policies:
        ways[policy] = lambda policy=policy: _split(folder, policy)
    if with_others:
        ways["pandas"] = lambda: run_measured([sys.executable, "-m", "benchmarks.features_pandas", str(folder)])
    counts: list[float] = []
    found: dict[str, list[tuple[float, float | None]]] = {name: [] for name in ways}
    for _ in range(rounds):
        counts += count_seconds(folder / "events.parquet")
        for name, run in ways.items():
            found[name].append(run())
    floor = statistics.median(counts)
    yield Measured("bare count", events, floor, floor)
    for name, runs in found.items():
        memory = max((gib for _, gib in runs if gib is not None), default=None)
        yield Measured(name, events, statistics.median(seconds for seconds, _ in runs), floor, memory)
    if with_others:
        with features_postgres.server() as url:
            features_postgres.load(url, folder / "videos.parquet", folder / "events.parquet")
            yield Measured("in Postgres", events, features_postgres.features(url)[1], floor)


def _split(folder: Path, policy: str) -> tuple[float, float]:
    measured = run_measured(split_command(folder, policy))
    out = folder / f"out-{policy}"
    paid = pq.read_table(out / "video_rev_shares.parquet", columns=["allocated_cents"])["allocated_cents"]
    summary = json.loads((out / "summary.json").read_text())
    if sum(paid.to_pylist()) + summary["residual_cents"] != POOL_CENTS:
        raise StackError("the measured split does not add up to its pool")
    return measured


def divide_seconds(members: int) -> float:
    """Seconds to divide a pool over `members` of heavy-tailed weight, half of them capped, ties hashed."""
    chance = np.random.default_rng(1)
    weights = (chance.pareto(1.1, members) * 1e6).astype(np.int64).tolist()
    caps = [None if cap < 0 else cap for cap in chance.choice([-1, -1, 0, 5_000, 50_000], members).tolist()]
    begin = time.perf_counter()
    keys = [tie_key("bench", member) for member in range(members)]
    done = divide(pool_cents=10**9, weights=weights, tie_keys=keys, caps_cents=caps)
    seconds = time.perf_counter() - begin
    if sum(done.cents) + done.residual_cents != 10**9:
        raise StackError("the division lost cents")
    return seconds


def _sizes(text: str) -> list[int]:
    try:
        sizes = [int(part) for part in text.split(",")]
    except ValueError:
        raise BadInput(f"--events {text!r} is not a list of whole numbers such as 1000000,5000000") from None
    if not sizes or min(sizes) < 1000:
        raise BadInput("--events takes sizes of 1000 and more")
    return sizes


def _policies(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in POLICIES:
            raise BadInput(f"--policies {name!r} is none of {', '.join(POLICIES)}")
    return names


def main(
    events: Annotated[str, typer.Option(help="Sizes, with commas between.")] = "1000000,5000000",
    policies: Annotated[str, typer.Option(help="The policies to split by.")] = "classic_v1,fairshare_v1",
    others_to: Annotated[
        int, typer.Option(min=0, help="Up to how many events pandas and Postgres compute the features, too.")
    ] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often everything takes its turn.")] = ROUNDS,
    members: Annotated[int, typer.Option(min=1, help="Creators in the measured division.")] = 100_000,
    from_postgres: Annotated[
        int, typer.Option(min=0, help="How many events to score from a local Supabase and back; 0: none.")
    ] = 0,
    window_of: Annotated[int, typer.Option(min=0, help="How many creators to preview and close a window of.")] = 0,
    over_api: Annotated[
        bool, typer.Option("--over-api", help="Close that window as a signed-in admin over the local data API.")
    ] = False,
    month_of: Annotated[
        int, typer.Option(min=0, help="How many events of a month to run, run again, and kill and resume.")
    ] = 0,
) -> None:
    """Measure `./run split` by each policy beside DuckDB's bare count over the same Parquet file, beside the features
    of classic_v1 in pandas and as SQL inside Postgres, and the division of a pool over many creators.

    Ends with exit code 1 when a goal is missed. Goals from five million events on: 40 (classic_v1) and 60
    (fairshare_v1) times the bare count up to twenty million, 4 and 12 GiB; 2 s for the division; 300,000
    events a second from Postgres; a preview of 100,000 creators under 5 s and its close under 20 s, 2 GiB; a month the
    same to the byte.
    """
    sizes, names = _sizes(events), _policies(policies)
    typer.echo(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}, {os.cpu_count()} cores")
    typer.echo(f"{'events':>11} {'way':<14} {'seconds':>9} {'x count':>7} {'events/s':>12} {'peak GiB':>8}")
    missed = []
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="fairshare-bench-") as folder:
            console.print(f"making {size} events …")
            with_others = size <= others_to
            for got in measure(size, Path(folder), policies=names, with_others=with_others, rounds=rounds):
                typer.echo(got.line())
                missed += [] if got.met else [f"{got.name} at {size} events"]
    seconds = divide_seconds(members)
    typer.echo(f"division over {members} creators: {seconds:.2f} s")
    missed += ["the division"] if seconds >= DIVIDE_GOAL_S and members <= 100_000 else []
    if from_postgres:
        seconds = database.score_seconds(from_postgres)
        rate = from_postgres / seconds
        typer.echo(f"{from_postgres} events scored from Postgres and back: {seconds:.1f} s, {rate:.0f} a second")
        missed += ["the rate from Postgres"] if rate < DATABASE_GOAL_PER_S and from_postgres >= GOALS_FROM else []
    if window_of:
        closed = money.window(window_of, over_api=over_api)
        typer.echo(closed.line())
        missed += [] if closed.met else ["the window"]
    if month_of:
        ran = money.month(month_of)
        typer.echo(ran.line())
        missed += [] if ran.met else ["the month"]
    typer.echo(f"MISSED: {', '.join(missed)}" if missed else "every goal is met")
    if missed:
        raise typer.Exit(1)
