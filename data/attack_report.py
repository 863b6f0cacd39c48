"""What each attack of a simulated world got: the pay of its targets, with the attacks and in a world without
them.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from core.timewindows import Window, from_us
from data.world import World
from revenue_split.allocation import split_window
from revenue_split.policy import Policy
from viewer_activity.model import score_window


@dataclass(frozen=True, slots=True)
class AttackGain:
    """One attack. `paid_cents` and `clean_cents` are the pay of its targets with all attacks and without any,
    for each policy in the order asked; for an attack that harms, the targets are its victims.
    """

    name: str
    accounts: int
    events: int
    harms: bool
    paid_cents: tuple[int, ...]
    clean_cents: tuple[int, ...]


def attack_gains(
    con: duckdb.DuckDBPyConnection,
    world: World,
    window: Window,
    *,
    pool_cents: int,
    policies: list[Policy],
    use_caps: bool,
) -> list[AttackGain]:
    """Splits the same pool over the window with and without the attacks' events, for each policy."""
    with_attacks = [_pay(con, world, world.events, window, pool_cents, p, use_caps) for p in policies]
    honest = world.events.filter(pa.array(world.event_attack == 0))
    without = [_pay(con, world, honest, window, pool_cents, p, use_caps) for p in policies]
    inside = (world.events["ts"].to_numpy().view("i8") >= window.start_us) & (
        world.events["ts"].to_numpy().view("i8") < window.end_us
    )
    gains = []
    for number, attack in enumerate(world.attacks, 1):
        videos = np.unique(attack.targets["video_id"].to_numpy())
        gains.append(
            AttackGain(
                name=attack.name,
                accounts=len(np.unique(attack.roles["user_id"].to_numpy())),
                events=int(((world.event_attack == number) & inside).sum()),
                harms="harm" in set(attack.targets["effect"].to_pylist()),
                paid_cents=tuple(_sum(shares, videos) for shares in with_attacks),
                clean_cents=tuple(_sum(shares, videos) for shares in without),
            )
        )
    return gains


def _pay(
    con: duckdb.DuckDBPyConnection,
    world: World,
    events: pa.Table,
    window: Window,
    pool_cents: int,
    policy: Policy,
    use_caps: bool,
) -> pa.Table:
    con.register("users", world.users)
    con.register("videos", world.videos)
    con.register("events", events)
    seen = Window(min(from_us(world.start_us), window.start), window.end)
    scores = score_window(con, policy.model, window, seen=seen, videos=world.videos).days
    return split_window(
        policy=policy,
        window=window,
        pool_cents=pool_cents,
        scores=scores,
        videos=world.videos,
        creators=world.users,
        use_caps=use_caps,
    ).videos


def _sum(shares: pa.Table, videos: np.ndarray) -> int:
    mine = np.isin(shares["video_id"].to_numpy(), videos)
    return int(shares["allocated_cents"].to_numpy()[mine].sum())
