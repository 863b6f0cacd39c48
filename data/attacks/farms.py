"""Attacks by many machines or many cheap accounts: view farm, device farm, throw-away botnet, slow drip."""

from __future__ import annotations

import numpy as np

from data.attacks.base import Range, Stage, attack
from data.world import HOUR_US, SECOND_US, Attack, World


@attack(
    accounts=Range(20, 300, 3000, scales=True),
    views_each=Range(3, 30, 200),
    devices=Range(2, 40, 400, scales=True),
    like_chance=Range(0.0, 0.08, 0.4),
)
def view_farm(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    views_each: int,
    devices: int,
    like_chance: float,
) -> Attack:
    """Fresh accounts on a few machines play the attacker's videos round the clock, at even gaps."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(1, 4)
    bots = stage.accounts(accounts, age_days=(0.5, 20))
    machine, address = stage.ids(devices), stage.ids(max(1, devices // 4))
    who = np.repeat(np.arange(accounts), views_each)
    gap = rng.uniform(40, 90, accounts)[who] * SECOND_US  # each robot keeps its own beat
    begin = own[:, 2].max() + (rng.uniform(0, 48, accounts)[who] * HOUR_US)
    ts_us = (begin + gap * np.tile(np.arange(views_each), accounts) * rng.normal(1, 0.01, len(who))).astype(np.int64)
    video = own[rng.integers(0, len(own), len(who)), 0]
    at = who % devices
    stage.watch(bots[who], video, ts_us, machine[at], address[at % len(address)], like=like_chance)
    return stage.finish("view_farm", parameters, devices=devices)


@attack(
    devices=Range(5, 40, 300, scales=True),
    accounts_each=Range(4, 12, 60),
    acts_each=Range(3, 14, 60),
    like_chance=Range(0.05, 0.3, 0.8),
    disguise=Range(0.0, 0.4, 0.8),
)
def device_farm(
    world: World,
    rng: np.random.Generator,
    *,
    devices: int,
    accounts_each: int,
    acts_each: int,
    like_chance: float,
    disguise: float,
) -> Attack:
    """Racks of phones, many accounts on each; a part of what they watch is other people's, to look alive."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(2, 3)
    accounts = devices * accounts_each
    bots = stage.accounts(accounts, age_days=(1, 110), kyc=(0.9, 0.1), before=True)
    machine, address = stage.ids(devices), stage.ids(max(2, devices // 3))
    who = np.repeat(np.arange(accounts), acts_each)
    ts_us = world.start_us + (rng.random(len(who)) * (world.end_us - world.start_us)).astype(np.int64)
    hidden = rng.random(len(who)) < disguise
    video = np.where(hidden, others(stage, len(who)), own[rng.integers(0, len(own), len(who)), 0])
    at = who // accounts_each
    columns = bots[who], video, ts_us, machine[at], address[rng.integers(0, len(address), len(who))]
    stage.watch(*(c[~hidden] for c in columns), like=like_chance, comment=0.05, follow=0.05)
    stage.watch(*(c[hidden] for c in columns), like=0.05)
    return stage.finish("device_farm", parameters, devices=devices)


@attack(
    accounts=Range(50, 2500, 20_000, scales=True),
    acts_each=Range(1, 2, 3),
    like_chance=Range(0.05, 0.35, 0.9),
    span_h=Range(2.0, 72.0, 300.0),
)
def botnet(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    acts_each: int,
    like_chance: float,
    span_h: float,
) -> Attack:
    """Throw-away accounts behind home connections: each views once or twice in its life, from a device of its
    own.
    """
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(1, 3)
    bots = stage.accounts(accounts, age_days=(0.2, 10))
    machine, address = stage.ids(accounts), stage.ids(accounts)
    who = np.repeat(np.arange(accounts), acts_each)
    target = own[rng.integers(0, len(own), len(who))]
    ts_us = target[:, 2] + (rng.random(len(who)) * span_h * HOUR_US).astype(np.int64)
    stage.watch(bots[who], target[:, 0], ts_us, machine[who], address[who], like=like_chance)
    return stage.finish("botnet", parameters, devices=0)  # the devices belong to people who know nothing


@attack(
    accounts=Range(10, 150, 1500, scales=True),
    acts_a_day=Range(0.3, 1.5, 5.0),
    like_chance=Range(0.1, 0.5, 1.0),
    disguise=Range(0.0, 0.5, 0.9),
)
def slow_drip(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    acts_a_day: float,
    like_chance: float,
    disguise: float,
) -> Attack:
    """Old accounts with devices of their own give a little every day, at human hours, week after week."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(1, 5)
    bots = stage.accounts(accounts, age_days=(60, 900), kyc=(0.85, 0.15), before=True)
    machine, address = stage.ids(accounts), stage.ids(max(1, accounts // 2))
    days = (world.end_us - world.start_us) / (24 * HOUR_US)
    who = rng.integers(0, accounts, max(accounts, int(accounts * acts_a_day * days)))
    hidden = rng.random(len(who)) < disguise
    video = np.where(hidden, others(stage, len(who)), own[rng.integers(0, len(own), len(who)), 0])
    columns = bots[who], video, stage.human_times(len(who)), machine[who], address[who % len(address)]
    stage.watch(*(c[~hidden] for c in columns), like=like_chance, comment=0.08, share=0.05)
    stage.watch(*(c[hidden] for c in columns), like=0.08)
    return stage.finish("slow_drip", parameters, devices=accounts // 10)


def others(stage: Stage, count: int) -> np.ndarray:
    """Videos of honest people, watched as a disguise, the popular ones more often."""
    world = stage.world
    weights = np.cumsum(np.sqrt(world.events_by_video + 1.0))
    at = np.searchsorted(weights, stage.rng.random(count) * weights[-1])
    return world.videos["id"].to_numpy()[np.minimum(at, len(weights) - 1)]
