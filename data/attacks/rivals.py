"""Attacks on somebody else, and on the clock: framing, report brigade, early rush."""

from __future__ import annotations

import numpy as np

from data.attacks.base import Range, Stage, attack
from data.world import HOUR_US, SECOND_US, Attack, World


@attack(
    accounts=Range(20, 300, 3000, scales=True),
    acts_each=Range(2, 10, 60),
    devices=Range(1, 10, 100, scales=True),
    like_chance=Range(0.3, 0.8, 1.0),
)
def framing(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    acts_each: int,
    devices: int,
    like_chance: float,
) -> Attack:
    """Clumsy robots are sent to a rival's videos on purpose, so that the rival looks like a cheat."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    rival = stage.rival()
    bots = stage.accounts(accounts, age_days=(0.2, 5))
    machine, address = stage.ids(devices), stage.ids(1)
    who = np.repeat(np.arange(accounts), acts_each)
    target = rival[rng.integers(0, len(rival), len(who))]
    begin = np.maximum(target[:, 2], world.start_us)
    ts_us = begin + (rng.random(len(who)) * (world.end_us - begin)).astype(np.int64)
    here = np.zeros(len(who), int)
    stage.watch(bots[who], target[:, 0], ts_us, machine[who % devices], address[here], like=like_chance, comment=0.1)
    return stage.finish("framing", parameters, devices=devices)


@attack(
    accounts=Range(10, 300, 3000, scales=True),
    reports_each=Range(1, 2, 6),
    view_chance=Range(0.0, 0.5, 1.0),
    span_h=Range(0.5, 12.0, 120.0),
    aged_share=Range(0.0, 0.5, 1.0),
)
def report_brigade(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    reports_each: int,
    view_chance: float,
    span_h: float,
    aged_share: float,
) -> Attack:
    """A crowd reports a rival's videos within hours, some of it from accounts that have existed for years."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    rival = stage.rival()
    aged = round(accounts * aged_share)
    mob = np.concatenate(
        [
            stage.accounts(aged, age_days=(90, 1500), role="reporter", before=True),
            stage.accounts(accounts - aged, age_days=(0.5, 20), role="reporter"),
        ]
    )
    machine, address = stage.ids(accounts), stage.ids(max(1, accounts // 5))
    who = np.repeat(np.arange(accounts), reports_each)
    target = rival[rng.integers(0, len(rival), len(who))]
    call = world.start_us + int(rng.uniform(0.2, 0.8) * (world.end_us - world.start_us))
    begin = np.maximum(target[:, 2], call)
    ts_us = begin + (rng.random(len(who)) * span_h * HOUR_US).astype(np.int64)
    columns = mob[who], target[:, 0], ts_us, machine[who], address[who % len(address)]
    stage.act("view", *columns, chance=view_chance)
    later = ts_us + (rng.uniform(3, 60, len(who)) * SECOND_US).astype(np.int64)
    stage.act("report", mob[who], target[:, 0], later, machine[who], address[who % len(address)])
    return stage.finish("report_brigade", parameters, devices=0)


@attack(
    accounts=Range(50, 180, 1000, scales=True),
    videos=Range(1, 4, 10),
    within_min=Range(10.0, 70.0, 118.0),
    like_chance=Range(0.05, 0.25, 0.8),
)
def early_rush(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    videos: int,
    within_min: float,
    like_chance: float,
) -> Attack:
    """Accounts with devices and addresses of their own watch each new video in its first two hours, for the
    bonus.
    """
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(1, videos)
    bots = stage.accounts(accounts, age_days=(1, 45), before=True)
    machine, address = stage.ids(accounts), stage.ids(accounts)
    who = np.tile(np.arange(accounts), len(own))
    target = np.repeat(own, accounts, axis=0)
    ts_us = target[:, 2] + (rng.uniform(1, within_min, len(who)) * 60 * SECOND_US).astype(np.int64)
    stage.watch(bots[who], target[:, 0], ts_us, machine[who], address[who], like=like_chance)
    return stage.finish("early_rush", parameters, devices=accounts // 20)
