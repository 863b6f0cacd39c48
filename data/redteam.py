"""`./run redteam`: honest weeks and attacks drawn afresh, and what each policy pays the attackers for them.

Sizes of the week, of the audience and every parameter of every attack come from wide ranges, so a rule that fits one
simulated week does not pass here. All splits are in memory; shares are taken before KYC caps, of the whole pool.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

from core.engine import connect
from core.errors import BadInput
from core.terminal import progress
from core.timewindows import Window, from_us
from data.attacks import ATTACKS, cost_eur, draw, run
from data.plan import Plan
from data.redteam_chart import drawn_captures
from data.simulator import attack_names, simulate
from data.world import DAY_US, Attack, World, stream
from revenue_split.allocation import split_window
from revenue_split.policy import POLICIES, policy_named
from viewer_activity.model import score_window

#: What the pool is measured with: shares of it are read off to a billionth.
POOL_CENTS = 10**9
EUR_PER_VIEW = 0.001
YARDSTICK = "prorata"
END = datetime(2026, 6, 8, tzinfo=UTC)
MIXED = "mixture"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One split: the pool share of each creator, and the viewers' weights where there are any."""

    creators: np.ndarray
    shares: np.ndarray
    viewers: np.ndarray
    weights: np.ndarray | None

    def of(self, creators: np.ndarray) -> float:
        """The pool share of some creators together."""
        return float(self.shares[np.isin(self.creators, creators)].sum())


@dataclass(frozen=True, slots=True)
class Trial:
    """One attack on one week under one policy. None where a figure has no meaning for the attack."""

    week: int
    attack: str
    policy: str
    #: Pool share taken, divided by what it takes under pro-rata.
    capture: float | None
    #: What the attackers gain a euro that they spend.
    gain_per_cost: float | None
    #: Change of the victim's pay.
    victim: float | None
    #: Half the sum of the changes of all others' shares.
    others: float
    #: Share of honest viewers of 30 days and more with a weight under one half; the worst stratum of creators' size.
    under_half: float | None
    under_half_stratum: float | None


@dataclass(frozen=True, slots=True)
class Week:
    """An honest week and what each policy pays in it. `smaller_half` is relative to pro-rata."""

    number: int
    world: World
    clean: dict[str, Outcome]
    smaller_half: dict[str, float]


def draw_week(number: int, seed: int, *, usual: bool = False) -> World:
    """An honest week of a size, audience and catalogue of its own; if `usual`, of 30,000 people and 300 creators."""
    rng = stream(seed, f"week {number}")
    if usual:
        sizes = {"users": 30_000, "creator_ratio": 0.01, "max_videos": 12, "min_events": 20, "max_events": 8000}
        return simulate(Plan(end=END, days=7, seed=int(rng.integers(0, 2**31)), **sizes))  # type: ignore[arg-type]
    plan = Plan(
        end=END,
        days=7,
        users=round(float(np.exp(rng.uniform(np.log(1500), np.log(5000))))),
        creator_ratio=float(rng.uniform(0.02, 0.08)),
        max_videos=int(rng.integers(4, 16)),
        min_events=int(rng.integers(5, 40)),
        max_events=int(rng.integers(1500, 8000)),
        seed=int(rng.integers(0, 2**31)),
    )
    return simulate(plan)


def draw_attack(name: str, world: World, number: int, seed: int, *, usual: bool = False) -> World:
    """The world with one attack in it, of parameters drawn afresh or of its usual ones; a mixture is two attacks of
    any kind at once.
    """
    rng = stream(seed, f"week {number} {name}")
    chosen = [name] if name != MIXED else [str(n) for n in rng.choice(list(ATTACKS), 2, replace=False)]
    for one in chosen:
        world = world.reserve(run(one, world, rng, None if usual else draw(one, rng)))
    return world.with_reserved(0)


def outcome(con: duckdb.DuckDBPyConnection, world: World, policy: str) -> Outcome:
    """Splits the world's week under a policy."""
    for name in ("users", "videos", "events"):
        con.register(name, getattr(world, name))
    window = Window(from_us(world.start_us), from_us(world.end_us))
    rules = policy_named(policy)
    scored = score_window(con, rules.model, window, seen=window, videos=world.videos)
    result = split_window(
        policy=rules,
        window=window,
        pool_cents=POOL_CENTS,
        scores=scored.days,
        videos=world.videos,
        creators=world.users,
        use_caps=False,
    ).creators
    weights = None if scored.weights is None else scored.weights["weight"].to_numpy()
    viewers = world.users["id"].to_numpy() if scored.weights is None else scored.weights["user_id"].to_numpy()
    return Outcome(result["creator_id"].to_numpy(), result["alloc_cents"].to_numpy() / POOL_CENTS, viewers, weights)


def prepare(
    con: duckdb.DuckDBPyConnection, number: int, seed: int, policies: Sequence[str], *, usual: bool = False
) -> Week:
    """Draws a week and splits it without any attack."""
    return week_of(con, number, draw_week(number, seed, usual=usual), policies)


def week_of(con: duckdb.DuckDBPyConnection, number: int, world: World, policies: Sequence[str]) -> Week:
    """Splits an honest week under each policy."""
    clean = {policy: outcome(con, world, policy) for policy in dict.fromkeys([YARDSTICK, *policies])}
    yardstick = clean[YARDSTICK]
    order = np.argsort(yardstick.shares, kind="stable")
    small = yardstick.creators[order[: len(order) // 2]]
    return Week(number, world, clean, {p: o.of(small) / yardstick.of(small) for p, o in clean.items()})


def trials(
    con: duckdb.DuckDBPyConnection,
    week: Week,
    name: str,
    seed: int,
    policies: Sequence[str],
    *,
    usual: bool = False,
) -> list[Trial]:
    """One attack on one week under every policy."""
    return judged(con, week, name, draw_attack(name, week.world, week.number, seed, usual=usual), policies)


def judged(con: duckdb.DuckDBPyConnection, week: Week, name: str, world: World, policies: Sequence[str]) -> list[Trial]:
    """What every policy pays in `world`, the week with the attack `name` in it."""
    paid = {policy: outcome(con, world, policy) for policy in dict.fromkeys([YARDSTICK, *policies])}
    views = np.count_nonzero(world.events["event_type"].to_numpy(zero_copy_only=False) == "view")
    gaining, harmed = _targets(world.attacks, "gain"), _targets(world.attacks, "harm")
    cost = sum(cost_eur(attack, world) for attack in world.attacks)
    prorata = paid[YARDSTICK].of(gaining) - week.clean[YARDSTICK].of(gaining)
    found = []
    for policy in policies:
        now, before = paid[policy], week.clean[policy]
        gain = now.of(gaining) - before.of(gaining)
        under, stratum = _under_half(world, week.world, now)
        found.append(
            Trial(
                week=week.number,
                attack=name,
                policy=policy,
                capture=gain / prorata if len(gaining) and prorata > 1e-6 else None,
                gain_per_cost=gain * views * EUR_PER_VIEW / cost if len(gaining) else None,
                victim=now.of(harmed) / before.of(harmed) - 1 if len(harmed) and not len(gaining) else None,
                others=_half_l1(before, now, np.concatenate([gaining, harmed])),
                under_half=under,
                under_half_stratum=stratum,
            )
        )
    return found


def _targets(attacks: Sequence[Attack], effect: str) -> np.ndarray:
    found = [
        a.targets["creator_id"].to_numpy()[a.targets["effect"].to_numpy(zero_copy_only=False) == effect]
        for a in attacks
    ]
    return np.unique(np.concatenate(found))


def _half_l1(before: Outcome, now: Outcome, concerned: np.ndarray) -> float:
    """How far the shares of those who have no part in it moved among themselves."""
    ids = before.creators[~np.isin(before.creators, concerned)]
    old, new = (o.shares[np.searchsorted(o.creators, ids)] for o in (before, now))
    return float(np.abs(old / old.sum() - new / new.sum()).sum() / 2)


def _under_half(world: World, honest: World, now: Outcome) -> tuple[float | None, float | None]:
    if now.weights is None:
        return None, None
    born = honest.users["created_at"]
    age = (world.end_us - born.cast(pa.int64()).fill_null(0).to_numpy()) / DAY_US
    ids = honest.users["id"].to_numpy()[age >= 30]
    ids = ids[~np.isin(ids, world.taken)]
    low = now.weights[np.searchsorted(now.viewers, ids)] < 0.5 - 1e-12
    # Viewers by the size of the creator they watched most of all: 4 strata of creators with as many events each.
    events = honest.events
    owner = dict(zip(honest.videos["id"].to_pylist(), honest.videos["creator_id"].to_pylist(), strict=True))
    creators, counts = np.unique([owner[v] for v in events["video_id"].to_pylist()], return_counts=True)
    size = np.searchsorted(np.quantile(counts, [0.25, 0.5, 0.75]), counts, side="left")
    stratum_of = dict(zip(creators.tolist(), size.tolist(), strict=True))
    at = np.array([stratum_of[owner[v]] for v in events["video_id"].to_pylist()])
    who = np.minimum(np.searchsorted(ids, events["user_id"].to_numpy()), len(ids) - 1)
    known = ids[who] == events["user_id"].to_numpy()
    worst = 0.0
    for stratum in range(4):
        audience = np.unique(who[known & (at == stratum)])
        worst = max(worst, float(low[audience].mean()) if len(audience) else 0.0)
    return float(low.mean()), worst


def campaign(
    names: Sequence[str],
    *,
    weeks: int,
    seed: int,
    policies: Sequence[str],
    usual: bool = False,
    on_trial: Callable[[], None] = lambda: None,
) -> tuple[list[Week], list[Trial]]:
    """Every attack on every week. An attack that a small week has no room for is left out of that week."""
    done: list[Trial] = []
    drawn: list[Week] = []
    with connect() as con:
        for number in range(weeks):
            week = prepare(con, number, seed, policies, usual=usual)
            drawn.append(week)
            for name in names:
                try:
                    done += trials(con, week, name, seed, policies, usual=usual)
                except BadInput:
                    continue
                finally:
                    on_trial()
    return drawn, done


def _spread(values: list[float | None], show: str = "{:.3f}") -> str:
    known = [v for v in values if v is not None]
    return f"{show.format(np.mean(known))} / {show.format(max(known))}" if known else "–"


def report(drawn: list[Week], done: list[Trial], policies: Sequence[str]) -> list[Table]:
    """A table a policy: each attack's figures, mean and worst over the weeks."""
    tables = []
    for policy in policies:
        halves = [week.smaller_half[policy] for week in drawn]
        table = Table(
            title=f"{policy}: {len(drawn)} weeks; smaller half of creators gets {np.mean(halves):.3f} of pro-rata "
            f"(least {min(halves):.3f})"
        )
        for column in (
            "attack",
            "capture",
            "gain/cost",
            "victim least",
            "victim most",
            "others ½L1",
            "under ½",
            "stratum",
        ):
            table.add_column(column)
        mine = [trial for trial in done if trial.policy == policy]
        for name in [*dict.fromkeys(trial.attack for trial in mine), "all"]:
            some = [trial for trial in mine if name in ("all", trial.attack)]
            victims = [trial.victim for trial in some if trial.victim is not None]
            table.add_row(
                name,
                _spread([t.capture for t in some]),
                _spread([t.gain_per_cost for t in some]),
                f"{min(victims):+.2%}" if victims else "–",
                f"{max(victims):+.2%}" if victims else "–",
                _spread([t.others for t in some], "{:.2%}"),
                _spread([t.under_half for t in some], "{:.2%}"),
                _spread([t.under_half_stratum for t in some], "{:.2%}"),
            )
        tables.append(table)
    return tables


def main(
    attack: Annotated[str, typer.Option(help=f"all, {MIXED}, or some of {', '.join(ATTACKS)}")] = "all",
    policy: Annotated[
        str, typer.Option(help=f"one or more of {', '.join(POLICIES)}, comma-separated")
    ] = "fairshare_v1",
    weeks: Annotated[int, typer.Option(min=1, help="honest weeks to draw")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="the same seed draws the same weeks and attacks")] = 1,
    usual: Annotated[bool, typer.Option("--usual", help="weeks of 30,000 people, attacks of their usual size")] = False,
    chart: Annotated[
        Path | None, typer.Option(metavar="FILE", help="also draw the captures, as an SVG picture")
    ] = None,
) -> None:
    """Draw honest weeks and attacks afresh and print what each policy pays the attackers.

    Figures with two numbers are the mean and the worst over the weeks. Capture is the pool share that an attack
    takes, divided by what it takes under a plain split by units; gain/cost counts 0.0009 EUR an event, 0.02, 0.50 or
    5.00 EUR an account (fresh, aged, verified) and 8 EUR a device, in a pool of 1 EUR per 1,000 views.
    """
    names = [*ATTACKS, MIXED] if attack == "all" else [MIXED] if attack == MIXED else attack_names(attack)
    policies = [policy_named(name.strip()).name for name in policy.split(",")]
    with progress("red team", total=weeks * len(names)) as advance:
        drawn, done = campaign(names, weeks=weeks, seed=seed, policies=policies, usual=usual, on_trial=advance)
    if chart is not None:
        chart.write_text(drawn_captures(done, policies), encoding="utf-8")
    console = Console(width=150)
    for table in report(drawn, done, policies):
        console.print(table)
