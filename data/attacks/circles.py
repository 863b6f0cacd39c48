"""Attacks by people, or by accounts that pass for people: like ring, comment pod, mules, hijacked accounts."""

from __future__ import annotations

import numpy as np

from core.errors import BadInput
from data.attacks.base import Range, Stage, attack
from data.attacks.farms import others
from data.world import HOUR_US, SECOND_US, Attack, World


@attack(
    members=Range(8, 60, 400, scales=True),
    spread_min=Range(1.0, 8.0, 60.0),
    like_chance=Range(0.5, 0.9, 1.0),
    disguise=Range(0, 6, 40),
)
def like_ring(
    world: World,
    rng: np.random.Generator,
    *,
    members: int,
    spread_min: float,
    like_chance: float,
    disguise: int,
) -> Attack:
    """Aged accounts with devices of their own like every new video of the ring within minutes of one another."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(3, 4)
    ring = stage.accounts(members, age_days=(40, 600), kyc=(0.7, 0.3), role="member", before=True)
    machine, address = stage.ids(members), stage.ids(max(1, members // 3))
    who = np.tile(np.arange(members), len(own))
    target = np.repeat(own, members, axis=0)
    call = np.repeat(rng.uniform(0.2, 5, len(own)) * HOUR_US, members)  # when the ring is told of a video
    ts_us = (target[:, 2] + call + rng.exponential(spread_min * 60 * SECOND_US, len(who))).astype(np.int64)
    stage.watch(ring[who], target[:, 0], ts_us, machine[who], address[who % len(address)], like=like_chance, share=0.1)
    _blend_in(stage, ring, machine, address, disguise)
    return stage.finish("like_ring", parameters, devices=members // 10)


@attack(
    members=Range(4, 12, 60, scales=True),
    comment_chance=Range(0.4, 0.85, 1.0),
    within_h=Range(0.5, 6.0, 48.0),
    rounds=Range(1, 3, 8),
)
def comment_pod(
    world: World,
    rng: np.random.Generator,
    *,
    members: int,
    comment_chance: float,
    within_h: float,
    rounds: int,
) -> Attack:
    """Real creators agree to comment on and like each other's videos; nobody's account is fake."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    pod = stage.honest(members, creators=True, role="member", min_age_days=0)
    if len(pod) < 2:
        raise BadInput(
            "comment_pod needs at least four creators that no other attack has used; raise --users or leave it out"
        )
    creator = world.videos["creator_id"].to_numpy()
    rows = np.flatnonzero(np.isin(creator, pod) & world.videos["created_at"].is_valid().to_numpy())
    ids, owner = world.videos["id"].to_numpy()[rows], creator[rows]
    created = world.videos["created_at"].to_numpy().view("i8")[rows]
    stage.aim(ids, owner, "gain")
    machine, address = stage.usual(pod)
    who = np.tile(np.arange(len(pod)), len(ids) * rounds)
    at = np.repeat(np.tile(np.arange(len(ids)), rounds), len(pod))
    begin = np.maximum(created[at], world.start_us)
    ts_us = begin + (rng.exponential(within_h, len(who)) * HOUR_US).astype(np.int64)
    kept = pod[who] != owner[at]
    columns = (c[kept] for c in (pod[who], ids[at], ts_us, machine[who], address[who]))
    stage.watch(*columns, comment=comment_chance, like=0.9)
    return stage.finish("comment_pod", parameters, devices=0)


@attack(
    accounts=Range(5, 60, 500, scales=True),
    acts_a_day=Range(0.5, 3.0, 12.0),
    like_chance=Range(0.2, 0.6, 1.0),
    disguise=Range(2, 20, 80),
)
def mules(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    acts_a_day: float,
    like_chance: float,
    disguise: int,
) -> Attack:
    """People paid to use their own verified accounts for the attacker, beside what they watch anyway."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(1, 4)
    hired = stage.accounts(accounts, age_days=(120, 1500), kyc=(0, 0, 0.6, 0.4), role="mule", before=True)
    machine, address = stage.ids(accounts), stage.ids(accounts)
    days = (world.end_us - world.start_us) / (24 * HOUR_US)
    who = rng.integers(0, accounts, max(accounts, int(accounts * acts_a_day * days)))
    video = own[rng.integers(0, len(own), len(who)), 0]
    stage.watch(
        hired[who],
        video,
        stage.human_times(len(who)),
        machine[who],
        address[who],
        like=like_chance,
        comment=0.15,
        share=0.1,
    )
    _blend_in(stage, hired, machine, address, disguise)
    return stage.finish("mules", parameters, devices=0)


@attack(
    accounts=Range(5, 120, 2000, scales=True),
    acts_each=Range(2, 8, 40),
    like_chance=Range(0.2, 0.7, 1.0),
    span_h=Range(2.0, 30.0, 200.0),
)
def hijacked(
    world: World,
    rng: np.random.Generator,
    *,
    accounts: int,
    acts_each: int,
    like_chance: float,
    span_h: float,
) -> Attack:
    """Accounts of honest people, taken over for a day or two and used from the thief's devices and addresses."""
    parameters = {k: v for k, v in locals().items() if k not in ("world", "rng")}
    stage = Stage.of(world, rng)
    own = stage.own_videos(1, 3)
    stolen = stage.honest(accounts, creators=False, role="hijacked")
    if len(stolen) == 0:
        raise BadInput("hijacked needs viewers of at least 30 days that no other attack has used; raise --users")
    machines = max(1, len(stolen) // 6)
    machine, address = stage.ids(machines), stage.ids(max(1, machines // 2))
    who = np.repeat(np.arange(len(stolen)), acts_each)
    begin = own[:, 2].max() + rng.uniform(0, 24) * HOUR_US
    ts_us = (begin + rng.random(len(who)) * span_h * HOUR_US).astype(np.int64)
    at = who % machines
    video = own[rng.integers(0, len(own), len(who)), 0]
    stage.watch(stolen[who], video, ts_us, machine[at], address[at % len(address)], like=like_chance, share=0.1)
    return stage.finish("hijacked", parameters, devices=machines)


def _blend_in(stage: Stage, accounts: np.ndarray, machine: np.ndarray, address: np.ndarray, views_each: int) -> None:
    """Ordinary viewing of other people's videos, so that an account has a life."""
    who = np.repeat(np.arange(len(accounts)), views_each)
    video = others(stage, len(who))
    ts_us = stage.human_times(len(who))
    stage.watch(accounts[who], video, ts_us, machine[who], address[who % len(address)], like=0.1, comment=0.01)
