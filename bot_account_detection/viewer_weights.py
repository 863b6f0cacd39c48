"""How much each viewer counts in a window, and why: the families joined under the two-family rule.

Accounts that act as one are paid as one. The weight is the tier times the factors of the families; it falls below
one half only where two independent families speak, or where the tier alone is there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bot_account_detection import families
from bot_account_detection.families import Bools, Floats, Ints
from bot_account_detection.thresholds import THRESHOLDS, Thresholds
from core.timewindows import Window, to_us

FOLDER = Path(__file__).with_name("signals")
#: The families that can speak for each other; the tier is none of them.
INDEPENDENT = (
    "device", "together", "lockstep", "one_shot", "crowd", "batch", "praise", "detached", "concentration", "circle",
)  # fmt: skip
#: Those that compare a creator's audience with other audiences: the strongest of them counts.
AUDIENCE = ("one_shot", "crowd", "batch", "praise", "detached")
#: The kinds that each of them tells apart; batches of one age are as many as the ages allow.
CELLS = {"one_shot": (1,), "crowd": (1, 2, 3), "praise": (1,), "detached": (1,)}
FAMILIES = ("tier", *INDEPENDENT)
#: What the circles are judged by, in the order in which their family takes it.
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
    con: duckdb.DuckDBPyConnection,
    window: Window,
    *,
    as_of: datetime | None = None,
    thresholds: Thresholds = THRESHOLDS,
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
    con.execute(f"set variable sitting_us = {t.sitting_us}")
    for relation in ("acts", "visits", "pairs"):
        con.execute(_sql(relation, t))
    people = _read(con, "accounts", t)
    ids = people["user_id"].astype(np.int64)
    factors = {
        "tier": families.tier(
            people["age_days"], people["kyc_level"], people["viewer_trust_score"], people["likely_bot"].astype(bool), t
        ),
        "device": _device(con, ids, t),
        "together": _together(con, ids, t),
    }
    factors["circle"], mutual = _circle(con, ids, t)
    strict, loose, cluster, size = _lockstep(con, ids, t)
    factors["concentration"] = _concentration(con, ids, t)
    standing = np.prod([*(factors[name] for name in factors if name != "concentration"), strict], axis=0)
    errands = _errands(con, ids, standing, people["age_days"], t)
    factors |= {name: errands.by_account(name, len(ids)) for name in AUDIENCE}
    factors["lockstep"] = corroborated(strict, loose, factors, t)
    weight = combine(factors, t)
    found = pa.concat_tables([mutual, errands.discounts(ids, factors, weight, t)])
    con.register("found", found)
    con.execute(_sql("discounts", t))
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
    product = product * np.min([factors[name] for name in AUDIENCE], axis=0)
    weight = factors["tier"] * product
    half = t.least_with_one_family
    least = half * np.minimum(1.0, factors["tier"] / half) ** t.young_floor_power
    return np.clip(np.where(speaking >= 2, weight, np.maximum(weight, least)), 0.0, 1.0)


def _sql(name: str, t: Thresholds) -> str:
    text = (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
    # The frame of a window function takes no parameter.
    return text.format(neighbours=t.lockstep_neighbours) if name == "lockstep" else text


def _read(con: duckdb.DuckDBPyConnection, name: str, t: Thresholds) -> dict[str, Any]:
    """The columns of a family's answer; unknown values are not-a-number."""
    table = con.sql(_sql(name, t), params=t.parameters(name) or None).to_arrow_table()
    return {column: table[column].to_numpy() for column in table.column_names}


def _at(ids: Ints, users: Ints) -> tuple[Ints, Bools]:
    """The positions of `users` in `ids`, and which of them are there: events may name accounts that are not."""
    at = np.minimum(np.searchsorted(ids, users), max(len(ids) - 1, 0))
    return at.astype(np.int64), np.asarray(ids[at] == users) if len(ids) else np.zeros(len(users), bool)


def _device(con: duckdb.DuckDBPyConnection, ids: Ints, t: Thresholds) -> Floats:
    d = _read(con, "device", t)
    at, known = _at(ids, d["user_id"])
    return families.device(at[known], d["accounts"][known], d["acts"][known], len(ids), t)


def _together(con: duckdb.DuckDBPyConnection, ids: Ints, t: Thresholds) -> Floats:
    d = _read(con, "together", t)
    at, known = _at(ids, d["user_id"])
    return families.together(at[known], d["together"][known], d["share"][known], d["accounts"][known], len(ids), t)


def _circle(con: duckdb.DuckDBPyConnection, ids: Ints, t: Thresholds) -> tuple[Floats, pa.Table]:
    d = _read(con, "circle", t)
    (one, first_known), (two, second_known) = _at(ids, d["one"]), _at(ids, d["two"])
    known = first_known & second_known
    figures = (d[name][known] for name in CIRCLE)
    factor, pair = families.circle(one[known], two[known], *figures, len(ids), t)
    return factor, _in_thousandths(d["one"][known], d["two"][known], pair)


def _in_thousandths(user: Ints, creator: Ints, rate: Floats) -> pa.Table:
    thousandths = np.clip(np.rint(1000.0 * rate), 1, 1000).astype(np.int64)
    less = thousandths < 1000
    return pa.table({"user_id": user[less], "creator_id": creator[less], "thousandths": thousandths[less]})


def _lockstep(con: duckdb.DuckDBPyConnection, ids: Ints, t: Thresholds) -> tuple[Floats, Floats, Ints, Ints]:
    d = _read(con, "lockstep", t)
    (one, first_known), (two, second_known) = _at(ids, d["one"]), _at(ids, d["two"])
    known = first_known & second_known
    together, close, alike, by_chance = (
        d[name][known] for name in ("together", "close_together", "alike", "by_chance")
    )
    return families.lockstep(one[known], two[known], together, close, alike, by_chance, len(ids), t)


def _concentration(con: duckdb.DuckDBPyConnection, ids: Ints, t: Thresholds) -> Floats:
    d = _read(con, "loyalty", t)
    at, known = _at(ids, d["user_id"])
    factor = np.ones(len(ids))
    found = families.concentration(
        d["visits"].astype(np.float64), d["all_visits"].astype(np.float64), d["popularity"], t
    )
    factor[at[known]] = found[known]
    return factor


@dataclass(frozen=True, slots=True)
class Errands:
    """The accounts of odd audiences, one entry an account and creator: the factor of each family there, and how much
    of the account's visits go there (1 from a quarter on).
    """

    account: Ints
    creator: Ints
    used: Floats
    factors: dict[str, Floats]

    def by_account(self, name: str, count: int) -> Floats:
        """The factor of each account: a creator whom it visits now and then says less about it."""
        factor = np.ones(count)
        np.minimum.at(factor, self.account, 1.0 - (1.0 - self.factors[name]) * self.used)
        return factor

    def discounts(self, ids: Ints, factors: dict[str, Floats], weight: Floats, t: Thresholds) -> pa.Table:
        """What an account's acts for one creator count beside its weight: user_id, creator_id, thousandths."""
        here = {name: values[self.account] for name, values in factors.items()} | self.factors
        rate = combine(here, t) / np.maximum(weight[self.account], 1e-12)
        return _in_thousandths(ids[self.account], self.creator, rate)


def _errands(con: duckdb.DuckDBPyConnection, ids: Ints, standing: Floats, age_days: Floats, t: Thresholds) -> Errands:
    known = ~np.isnan(age_days)
    edges = np.unique(np.quantile(age_days[known], np.linspace(0, 1, t.batches + 1)[1:-1])) if known.any() else []
    batch = np.where(known, np.searchsorted(edges, age_days, side="right"), -1)
    nano = np.rint(standing * 1e9).astype(np.int64)
    con.register("standing", pa.table({"user_id": ids, "nano": nano, "batch": batch}))
    con.execute(_sql("traits", t), t.parameters("traits"))
    con.unregister("standing")
    d = _read(con, "audience", t)
    everybody = float(con.sql("select sum(nano) from (select distinct user_id, nano from traits)").fetchall()[0][0] or 1e9) / 1e9
    creators, at = np.unique(d["creator_id"], return_inverse=True)
    kinds = [(name, cell) for name in AUDIENCE for cell in CELLS.get(name, range(len(edges) + 1))]
    found = _rooms(at, len(creators), d, kinds, everybody, t)
    odd = np.zeros(len(creators), bool)
    for (name, cell), (room, _) in found.items():
        odd |= np.bincount(at, d["accounts"] * (d[name] == cell), len(creators)) > room
    con.register("odd", pa.table({"creator_id": creators[odd]}))
    e = _read(con, "odd", t)
    con.unregister("odd")
    group = np.searchsorted(creators, e["creator_id"])
    prior = e["nano"] / 1e9
    factors = {name: np.ones(len(group)) for name in AUDIENCE}
    for (name, cell), (room, common) in found.items():
        rows = np.flatnonzero(e[name] == cell)
        factors[name][rows] = families.crowd(group[rows], prior[rows], room, common, t)
    account, _ = _at(ids, e["user_id"])
    return Errands(account, e["creator_id"].astype(np.int64), e["used"].astype(np.float64), factors)


def _rooms(
    at: Ints, count: int, d: dict[str, Any], kinds: list[tuple[str, int]], everybody: float, t: Thresholds
) -> dict[tuple[str, int], tuple[Floats, float]]:
    """For each kind of account: how many each creator's audience may have, and how common the kind is.

    What is too much of one kind is no audience by which another kind could be excused, so the audiences are taken
    again after each round.
    """
    members = {(name, cell): d[name] == cell for name, cell in kinds}
    accounts, audience = d["accounts"].astype(np.float64), d["audience"].astype(np.float64)
    total = np.bincount(at, audience, count)
    usual, many = {}, {}
    for kind, member in members.items():
        many[kind] = np.bincount(at, accounts * member, count)
        usual[kind] = families.usual(many[kind], np.bincount(at, audience * member, count), total, t)
    counted = audience
    for _ in range(t.crowd_rounds):
        total = np.bincount(at, counted, count)
        rooms, left = {}, np.ones(len(at))
        for kind, member in members.items():
            others = np.maximum(total - np.bincount(at, counted * member, count), 1.0)
            slack = float(getattr(t, f"slack_{kind[0]}"))
            mean, most = usual[kind]
            common = mean / (1.0 + mean)
            rooms[kind] = (slack + most * others) / np.maximum(1.0 - total / (t.crowd_reach * everybody), 1e-6), common
            part = np.minimum(1.0, rooms[kind][0] / np.maximum(many[kind], 1.0))
            part = np.maximum(part, min(1.0, (common / t.crowd_common) ** 2))
            left = np.where(member, np.minimum(left, part[at]), left)
        counted = audience * left
    return rooms


def _reasons(factors: dict[str, Floats]) -> pa.ListArray:
    """The codes of the families by which a viewer counts less, in the order of FAMILIES."""
    said = np.column_stack([factors[name] < 1.0 for name in FAMILIES])
    offsets = np.concatenate([[0], np.cumsum(said.sum(axis=1))]).astype(np.int32)
    codes = np.array([REASONS[name] for name in FAMILIES], dtype=object)[np.nonzero(said)[1]]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(codes, pa.string()))
