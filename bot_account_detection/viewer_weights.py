"""How much each viewer counts in a window, and why: the families joined under the two-family rule.

Accounts that act as one are paid as one. The weight is the tier times the factors of the families; it falls below
one half only where two independent families speak, or where the tier alone is there already.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa

from bot_account_detection import families
from bot_account_detection.audiences import CELLS, Errands, Visitors, errands, loyalty
from bot_account_detection.definitions import columns, definition
from bot_account_detection.families import Bools, Floats, Ints
from bot_account_detection.thresholds import THRESHOLDS, Thresholds
from bot_account_detection.ways import Ways, ways
from core.engine import Engine
from core.timewindows import Window, to_us

#: The families that can speak for each other; the tier is none of them.
INDEPENDENT = (
    "device", "together", "lockstep", "one_shot", "crowd", "batch", "praise", "detached", "concentration", "circle",
)  # fmt: skip
#: Those that compare a creator's audience with other audiences: the strongest of them counts.
AUDIENCE = tuple(CELLS)
FAMILIES = ("tier", *INDEPENDENT)
#: What circles are judged by.
CIRCLE = (
    "given", "returned", "praise", "all_given", "by_chance", "praise_by_chance", "partners_by_chance",
)  # fmt: skip
#: Each family's code on a viewer who counts less by it.
REASONS = {
    "tier": "new_account",
    "device": "shared_device",
    "together": "together_at_one_place",
    "lockstep": "moves_in_lockstep",
    "one_shot": "one_shot_crowd",
    "crowd": "crowd_for_one_creator",
    "batch": "accounts_of_one_age",
    "praise": "crowd_that_praises",
    "detached": "crowd_that_comes_for_this_alone",
    "concentration": "one_creator_only",
    "circle": "mutual_circle",
}


def weigh(
    con: Engine,
    window: Window,
    *,
    as_of: datetime | None = None,
    thresholds: Thresholds = THRESHOLDS,
    way: Ways | None = None,
) -> pa.Table:
    """One row a user, ordered by id: weight, a factor a family, cluster_id (null outside of any), reason codes.

    `con` holds the relations `users`, `videos` and `events` (columns of core.tables). Events from the window's end
    on are not looked at, those of the weeks before it are history. Ages are taken at `as_of`, by default at the
    window's end.
    """
    t = thresholds
    con.execute(f"set variable since_us = {max(0, window.start_us - t.lookback_us)}")
    con.execute(f"set variable until_us = {window.end_us}")
    con.execute(f"set variable as_of_us = {to_us(as_of) if as_of else window.end_us}")
    way = way or ways(con)
    way.begin(window, t)
    people = columns(con, "accounts", t)
    ids = people["user_id"].astype(np.int64)
    factors = {
        "tier": families.tier(
            people["age_days"], people["kyc_level"], people["viewer_trust_score"], people["likely_bot"].astype(bool), t
        ),
        "device": _device(way, ids, t),
        "together": _together(way, ids, t),
    }
    factors["circle"], mutual = _circle(way, ids, t)
    strict, loose, cluster, size = _lockstep(way, ids, t)
    standing = np.prod([*factors.values(), strict], axis=0)
    visitors, creators = way.visitors(ids, t)
    factors["concentration"] = _concentration(visitors, standing, len(creators), t)
    batch = families.batch(people["age_days"], t)
    odd = errands(visitors, standing, batch, len(creators), t, threads=way.threads)
    factors |= {name: odd.by_account(name, len(ids)) for name in AUDIENCE}
    factors["lockstep"] = corroborated(strict, loose, factors, t)
    weight = combine(factors, t)
    found = pa.concat_tables([mutual, _discounts(odd, ids, creators, factors, weight, t)])
    con.register("found", found)
    con.execute(definition("discounts"))
    con.unregister("found")
    in_cluster = size >= t.cluster_least
    names = ids[cluster] if len(ids) else ids
    return pa.table(
        {
            "user_id": ids,
            "weight": weight,
            **{name: factors[name] for name in FAMILIES},
            "cluster_id": pa.array(names, mask=~in_cluster),
            "reasons": _reasons(factors),
        }
    )


def corroborated(strict: Floats, loose: Floats, factors: dict[str, Floats], t: Thresholds = THRESHOLDS) -> Floats:
    """The lockstep factor: the loose tier counts only where another family speaks already."""
    spoken = np.zeros(len(strict), bool)
    for name in INDEPENDENT:
        if name in factors:
            spoken |= speaks(name, factors[name], t)
    return np.where(spoken, np.minimum(strict, loose), strict)


def speaks(name: str, factor: Floats, t: Thresholds = THRESHOLDS) -> Bools:
    """Whether a family's factor is low enough to be evidence, and not only a little less."""
    return np.asarray(factor < (t.device_fired_below if name == "device" else t.fired_below))


def combine(factors: dict[str, Floats], t: Thresholds = THRESHOLDS) -> Floats:
    """The weight of each viewer; with fewer than two families that speak, never below one half by them.

    An account whose tier is under one half has no such ground to stand on: its floor sinks faster than the tier,
    without a step, so that throw-away accounts are not protected by being new.
    """
    product = np.ones(len(factors["tier"]))
    speaking = np.zeros(len(product), np.int64)
    for name in INDEPENDENT:
        # What a circle does for itself is taken off there, and its members' other acts are left alone.
        if name == "circle":
            continue
        speaking += speaks(name, factors[name], t)
        if name not in AUDIENCE:
            product = product * factors[name]
    product = product * np.minimum.reduce([factors[name] for name in AUDIENCE])
    weight = factors["tier"] * product
    half = t.least_with_one_family
    least = half * np.minimum(1.0, factors["tier"] / half) ** t.young_floor_power
    return np.asarray(np.clip(np.where(speaking >= 2, weight, np.maximum(weight, least)), 0.0, 1.0))


def _at(ids: Ints, users: Ints) -> tuple[Ints, Bools]:
    """The positions of `users` in `ids`, and which of them are there: events may name accounts that are not."""
    at = np.minimum(np.searchsorted(ids, users), max(len(ids) - 1, 0))
    return at.astype(np.int64), np.asarray(ids[at] == users) if len(ids) else np.zeros(len(users), bool)


def _device(way: Ways, ids: Ints, t: Thresholds) -> Floats:
    d = way.devices(t)
    at, known = _at(ids, d["user_id"])
    return families.device(at[known], d["accounts"][known], d["acts"][known], len(ids), t)


def _together(way: Ways, ids: Ints, t: Thresholds) -> Floats:
    d = way.together(t)
    at, known = _at(ids, d["user_id"])
    return families.together(at[known], d["together"][known], d["share"][known], d["accounts"][known], len(ids), t)


def _circle(way: Ways, ids: Ints, t: Thresholds) -> tuple[Floats, pa.Table]:
    d = way.circle(t)
    (one, first_known), (two, second_known) = _at(ids, d["one"]), _at(ids, d["two"])
    known = first_known & second_known
    figures = {name: d[name][known] for name in CIRCLE}
    factor, pair = families.circle(one[known], two[known], **figures, count=len(ids), t=t)
    return factor, _in_thousandths(d["one"][known], d["two"][known], pair)


def _in_thousandths(user: Ints, creator: Ints, rate: Floats) -> pa.Table:
    thousandths = np.clip(np.rint(1000.0 * rate), 1, 1000).astype(np.int64)
    less = thousandths < 1000
    return pa.table({"user_id": user[less], "creator_id": creator[less], "thousandths": thousandths[less]})


def _lockstep(way: Ways, ids: Ints, t: Thresholds) -> tuple[Floats, Floats, Ints, Ints]:
    d = way.lockstep_pairs(t)
    (one, first_known), (two, second_known) = _at(ids, d["one"]), _at(ids, d["two"])
    known = first_known & second_known
    together, close, alike, by_chance = (
        d[name][known] for name in ("together", "close_together", "alike", "by_chance")
    )
    return families.lockstep(one[known], two[known], together, close, alike, by_chance, len(ids), t, groups=way.groups)


def _concentration(visitors: list[Visitors], standing: Floats, creators: int, t: Thresholds) -> Floats:
    factor = np.ones(len(standing))
    for mine, popularity in loyalty(visitors, standing, creators, t):
        found = families.concentration(mine.visits, mine.all_visits, popularity, t)
        # Of several creators visited as often, the one that explains most speaks.
        factor[mine.account] = 0.0
        np.maximum.at(factor, mine.account, found)
    return factor


def _discounts(
    odd: Errands, ids: Ints, creators: Ints, factors: dict[str, Floats], weight: Floats, t: Thresholds
) -> pa.Table:
    """What the accounts of odd audiences count there, beside their weight."""
    here = {name: values[odd.account] for name, values in factors.items()} | odd.factors
    rate = combine(here, t) / np.maximum(weight[odd.account], 1e-12)
    return _in_thousandths(ids[odd.account], creators[odd.creator], rate)


def _reasons(factors: dict[str, Floats]) -> pa.ListArray:
    """The codes of the families by which a viewer counts less, in the order of FAMILIES."""
    said = np.column_stack([factors[name] < 1.0 for name in FAMILIES])
    offsets = np.concatenate([[0], np.cumsum(said.sum(axis=1))]).astype(np.int32)
    codes = np.array([REASONS[name] for name in FAMILIES], dtype=object)[np.nonzero(said)[1]]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(codes, pa.string()))
