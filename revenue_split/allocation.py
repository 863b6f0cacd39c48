"""From value units to cents: who gets what of a pool, and how each allocation is paid.

Creators first: shares by value units and streak, caps by KYC level, exact to the cent. Then each creator's cents
over their videos, again exactly. Nothing here is a float but the figures that are only shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.money import divide, tie_key
from core.timewindows import Window
from revenue_split.policy import BASIS_POINTS, MICRO, PPB, Ints, Policy, streak_ppb
from revenue_split.units import Creators, VideoUnits, streak_means_micro, video_units

CREATOR_COLUMNS = (
    "creator_id",
    "alloc_cents",
    "capped_cents",
    "platform_fee_cents",
    "reserve_cents",
    "pay_now_cents",
    "carried_cents",
)


@dataclass(frozen=True, slots=True)
class Withheld:
    """How many creators got less than their share for one reason, and how many cents less before others took
    them up.
    """

    creators: int
    cents: int


@dataclass(frozen=True, slots=True)
class SplitResult:
    """`videos` as video_rev_shares, `creators` as creator_payouts, both ordered by id.

    `allocated_cents + residual_cents == pool_cents`; the allocated cents are the sum of `capped_cents` and the
    sum of the videos' `allocated_cents`.
    """

    videos: pa.Table
    creators: pa.Table
    #: The factor on each creator's share for the last days' mean EIS, in the order of `creators`.
    streak_ppb: list[int]
    pool_cents: int
    allocated_cents: int
    residual_cents: int
    withheld: dict[str, Withheld]


def split_window(
    *,
    policy: Policy,
    window: Window,
    pool_cents: int,
    scores: pa.Table,
    videos: pa.Table,
    creators: pa.Table,
    use_caps: bool = True,
    carried_cents: Mapping[int, int] | None = None,
) -> SplitResult:
    """Splits a pool over the creators whose videos were scored in `window`.

    `scores`: rows of video_aggregates (days outside the window serve the streak alone); `videos`: id, creator_id;
    `creators`: id, likely_bot, kyc_level, creator_trust_score; `carried_cents`: what is carried from earlier
    windows, by creator. With caps, a creator whose KYC level is unknown gets nothing yet: the level is never
    guessed. Raises BadInput for rows that do not fit together.
    """
    people = Creators.of_users(creators)
    units = video_units(scores, videos, people, window, policy)
    ids, group = np.unique(units.creator_ids, return_inverse=True)
    at = people.index(ids)
    streaks = _streaks(scores, videos, ids, window, policy)
    weights = _creator_weights(units, ids, group, streaks)
    levels = [None if level < 0 else level for level in people.kyc_level[at].tolist()]
    keys = [tie_key(str(window.start_us), creator) for creator in ids.tolist()]
    wished = divide(pool_cents=pool_cents, weights=weights, tie_keys=keys)
    caps = [policy.cap_cents(level) for level in levels] if use_caps else None
    done = divide(pool_cents=pool_cents, weights=weights, tie_keys=keys, caps_cents=caps)
    shares = _video_cents(units, group, done.cents, window)
    total = sum(weights)
    factor = np.array([w / total if total else 0.0 for w in weights])
    result = SplitResult(
        videos=_video_table(units, group, factor, shares, policy),
        creators=_pay(ids, wished.cents, done.cents, carried_cents or {}, policy),
        streak_ppb=streaks,
        pool_cents=pool_cents,
        allocated_cents=pool_cents - done.residual_cents,
        residual_cents=done.residual_cents,
        withheld=_withheld(wished.cents, done.cents, levels),
    )
    if policy.value_rule == "integrity" and (bots := int(people.likely_bot[at].sum())):
        result.withheld["likely_bot"] = Withheld(bots, 0)
    return result


def _streaks(scores: pa.Table, videos: pa.Table, ids: Ints, window: Window, policy: Policy) -> list[int]:
    """The factor of each creator in parts per billion; 1 without a score in the last days."""
    if not policy.streak_bp:
        return [PPB] * len(ids)
    means, known = streak_means_micro(scores, videos, ids, window, policy)
    factors: list[int] = np.where(known, streak_ppb(means, policy), PPB).tolist()
    return factors


def _creator_weights(units: VideoUnits, ids: Ints, group: Ints, streaks: list[int]) -> list[int]:
    """Value units times streak factor, as whole numbers of any size."""
    value = np.zeros(len(ids), np.int64)
    np.add.at(value, group, units.vu_micro)
    return [v * f for v, f in zip(value.tolist(), streaks, strict=True)]


def _video_cents(units: VideoUnits, group: Ints, creator_cents: list[int], window: Window) -> list[int]:
    """Each creator's cents over the creator's videos by value units; ties by window and video."""
    cents = [0] * len(units.video_ids)
    value, video_ids = units.vu_micro.tolist(), units.video_ids.tolist()
    order = np.argsort(group, kind="stable")
    edges = np.searchsorted(group[order], np.arange(len(creator_cents) + 1)).tolist()
    places = order.tolist()
    key = f"{window.start_us} video"
    for creator, amount in enumerate(creator_cents):
        mine = places[edges[creator] : edges[creator + 1]]
        if amount == 0:
            continue
        if len(mine) == 1:
            cents[mine[0]] = amount
            continue
        keys = [tie_key(key, video_ids[i]) for i in mine]
        parts = divide(pool_cents=amount, weights=[value[i] for i in mine], tie_keys=keys).cents
        for i, part in zip(mine, parts, strict=True):
            cents[i] = part
    return cents


def _video_table(
    units: VideoUnits, group: Ints, creator_share: np.ndarray, cents: list[int], policy: Policy
) -> pa.Table:
    value = units.vu_micro.astype(np.float64)
    of_creator = np.bincount(group, value, len(creator_share))[group]
    with np.errstate(invalid="ignore"):
        share = np.where(of_creator > 0, 100.0 * creator_share[group] * value / of_creator, 0.0)
    count = len(cents)
    return pa.table(
        {
            "video_id": units.video_ids,
            "creator_id": units.creator_ids,
            "eng_units": units.eng_units,
            "counted_units": units.counted_units,
            "eis_avg": units.eis_avg,
            "vu": value / MICRO,
            "share_pct": share,
            "allocated_cents": pa.array(cents, pa.int64()),
            "model": pa.array([policy.model] * count, pa.string()),
        }
    )


def _pay(
    ids: Ints, wished: list[int], capped: list[int], carried_before: Mapping[int, int], policy: Policy
) -> pa.Table:
    """Fee, reserve and rest of each allocation; a rest under the minimum waits for the next window.

    The fee and the reserve are rounded down, to the creator's favour. What was carried before counts towards the
    minimum, and is released by the ledger when the minimum is reached.
    """
    gross = np.array(capped, np.int64)
    fee = gross * policy.platform_fee_bp // BASIS_POINTS
    reserve = gross * policy.risk_reserve_bp // BASIS_POINTS
    rest = gross - fee - reserve
    before = np.array([carried_before.get(creator, 0) for creator in ids.tolist()], np.int64)
    pays = rest + before >= policy.min_payout_cents
    columns = (ids, wished, capped, fee, reserve, np.where(pays, rest, 0), np.where(pays, 0, rest))
    arrays = [pa.array(column, pa.int64()) for column in columns]
    return pa.table(dict(zip(CREATOR_COLUMNS, arrays, strict=True)))


def _withheld(wished: list[int], capped: list[int], levels: list[int | None]) -> dict[str, Withheld]:
    """Why creators got less than their share, by reason."""
    found: dict[str, list[int]] = {}
    for before, after, level in zip(wished, capped, levels, strict=True):
        if after < before:
            reason = "kyc_unknown" if level is None else f"kyc_level_{level}"
            found.setdefault(reason, []).append(before - after)
    return {reason: Withheld(len(cents), sum(cents)) for reason, cents in sorted(found.items())}
