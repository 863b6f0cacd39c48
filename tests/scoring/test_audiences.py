"""Audiences against one another: who is one too many, who is left alone, and where the discount lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bot_account_detection import audiences, families
from bot_account_detection.audiences import Pairs, Visitors
from bot_account_detection.thresholds import THRESHOLDS as T
from bot_account_detection.viewer_weights import weigh
from core.engine import connect
from tests.scoring.tables import DAY, at, event, events, users, videos

CREATORS = 20
BOUGHT = range(5000, 5060)


def honest(count=400, seed=1):
    """People who see five creators each at one sitting, a like now and then; few come to the last creator."""
    chance = np.random.default_rng(seed)
    rows, people = [], []
    for u in range(1, count + 1):
        born = f"20{19 + u % 7}-{1 + u % 12:02}-{1 + u % 28:02}T00:00"
        people.append({"id": u, "created_at": at(born), "kyc_level": 1})
        hour = int(chance.integers(0, 24))
        for v in [*chance.choice(CREATORS - 1, 5, replace=False) + 1, *([20] if u % 20 == 0 else [])]:
            minute = int(chance.integers(0, 60))
            rows.append(event(u, "view", f"01 {hour:02}:{minute:02}", video=int(v)))
            if chance.random() < 0.1:
                rows.append(event(u, "like", f"01 {hour:02}:{minute:02}", video=int(v)))
    return rows, people


def bought(creator, *, like=True, spread=True, seed=2):
    """Accounts of one day that come for one creator alone and praise it, and see three others at another time."""
    chance = np.random.default_rng(seed)
    rows, people = [], []
    for u in BOUGHT:
        people.append({"id": u, "created_at": at("2024-03-01T00:00"), "kyc_level": 1})
        rows.append(event(u, "view", f"01 {u % 12:02}:{u % 60:02}", video=creator))
        if like:
            rows.append(event(u, "like", f"01 {u % 12:02}:{u % 60:02}", video=creator))
        for v in chance.choice(CREATORS - 1, 3, replace=False) + 1 if spread else ():
            rows.append(event(u, "view", f"01 {13 + u % 10:02}:{int(chance.integers(0, 60)):02}", video=int(v)))
    return rows, people


def weighed(*groups, thresholds=T):
    rows = [row for some, _ in groups for row in some]
    people = [one for _, some in groups for one in some]
    catalogue = [{"id": v, "creator_id": 9000 + v, "created_at": at("01 00:00")} for v in range(1, CREATORS + 1)]
    with connect(threads=1) as con:
        for name, table in (("users", users(people)), ("videos", videos(catalogue)), ("events", events(rows))):
            con.register(name, table)
        weights = {row["user_id"]: row for row in weigh(con, DAY, thresholds=thresholds).to_pylist()}
        found = con.sql("select user_id, creator_id, thousandths from discounts order by all").fetchall()
    return weights, found


def test_pairs_are_what_a_slow_count_finds():
    chance = np.random.default_rng(3)
    n = 3000
    keys = np.unique(np.column_stack([chance.integers(0, 50, n), chance.integers(0, 200, n)]), axis=0)
    account, video = keys.T
    creator, sitting = video // 8, chance.integers(0, 40, len(keys))
    visits = chance.integers(0, 3, len(keys))
    reported, praised = (chance.random(len(keys)) < 0.7 for _ in range(2))
    shuffled = chance.permutation(len(keys))
    columns = {
        "account": account, "creator": creator, "sitting": sitting, "visits": visits, "reported": reported,
        "praised": praised,
    }  # fmt: skip
    pairs = Pairs.of(**{name: column[shuffled] for name, column in columns.items()})
    seen = {}
    for a, c, s, v, r, p in zip(*columns.values(), strict=True):
        alone = {int(x) for x in creator[(account == a) & (sitting == s)]} == {int(c)}
        old = seen.get((a, c), (0, 0, 0, 0, 0))
        seen[a, c] = tuple(x + y for x, y in zip(old, (v, r, 1, p, alone), strict=True))
    sums = (pairs.visits, pairs.reported, pairs.videos, pairs.praised, pairs.alone)
    assert {(a, c): values for a, c, *values in zip(pairs.account, pairs.creator, *sums, strict=True)} == {
        key: list(values) for key, values in seen.items()
    }


def test_an_audience_like_others_is_left_alone():
    weights, discounts = weighed(honest())
    assert discounts == []
    assert all(row[name] == 1 for row in weights.values() for name in audiences.CELLS)


def test_old_accounts_of_one_batch_that_praise_one_creator_count_as_a_few():
    weights, discounts = weighed(honest(), bought(20))
    bots, people = ([row for u, row in weights.items() if (u in BOUGHT) == bad] for bad in (True, False))
    assert np.mean([row["batch"] for row in bots]) < 0.3
    assert np.mean([row["praise"] for row in bots]) < 0.3
    # Two families speak: at this creator they count as a handful, and elsewhere by how much they go there.
    there = {u: t for u, c, t in discounts if c == 9020}
    counted = sum(row["weight"] * there.get(row["user_id"], 1000) / 1000 for row in bots)
    assert counted < 8
    assert min(row["weight"] for row in people) >= 0.5
    assert {u for u, *_ in discounts} <= set(BOUGHT)


def test_the_test_above_would_see_a_rule_that_takes_nothing():
    blind = replace(T, slack_batch=1e9, slack_praise=1e9, slack_detached=1e9, slack_crowd=1e9, slack_one_shot=1e9)
    weights, discounts = weighed(honest(), bought(20), thresholds=blind)
    assert discounts == []
    assert sum(weights[u]["weight"] for u in BOUGHT) > 30


def test_one_kind_alone_takes_no_old_account_under_one_half():
    weights, discounts = weighed(honest(), bought(20, like=False, spread=False))
    for u in BOUGHT:
        here = min([t for who, c, t in discounts if who == u], default=1000)
        row = weights[u]
        spoken = sum(row[name] < T.fired_below for name in audiences.CELLS)
        assert spoken >= 2 or row["weight"] * here / 1000 >= 0.5 - 1e-3


def test_unknown_ages_are_no_batch():
    rows, _ = bought(20)
    weights, _ = weighed(honest(), (rows, [{"id": u} for u in BOUGHT]))
    assert {weights[u]["batch"] for u in BOUGHT} == {1.0}


def test_whom_half_of_all_people_visit_is_nobodys_odd_choice():
    rows, people = honest()
    star = [event(u, "view", f"01 {h:02}:00", video=20) for u in range(1, 400) for h in (1, 2, 3, 4)]
    weights, discounts = weighed((rows + star, people))
    assert discounts == []
    assert {row["concentration"] for row in weights.values()} == {1.0}


def test_strangers_who_are_sent_do_not_take_the_place_of_the_fans():
    prior = np.array([0.9] * 5 + [0.02] * 100)
    factor = families.as_usual(np.zeros(105, np.int64), prior, np.array([6.0]), np.array([4.0]), 0.01)
    assert factor[:5].tolist() == [1.0] * 5
    # The one that is left, and next to nothing of the slack, among a hundred.
    assert factor[5:].sum() == pytest.approx(1.0, abs=0.05)


def test_what_is_common_is_no_evidence():
    prior = np.full(100, 0.9)
    for common, least in ((0.01, 0.0), (0.15, 0.25), (0.3, 1.0), (0.6, 1.0)):
        factor = families.as_usual(np.zeros(100, np.int64), prior, np.array([1.0]), np.array([0.0]), common)
        assert factor.min() >= least


def test_what_is_usual_is_not_asked_of_those_who_cheat():
    audience = np.full(20, 100.0)
    members = np.full(20, 2.0)
    before = families.usual(members, members, audience)
    members[:4] = 90.0
    assert families.usual(members, members, audience) == pytest.approx(before)


def test_parts_of_the_accounts_make_no_difference():
    chance = np.random.default_rng(8)
    n = 4000
    keys = np.unique(np.column_stack([chance.integers(0, 300, n), chance.integers(0, 60, n)]), axis=0)
    account, video = keys.T
    columns = {
        "account": account,
        "creator": video // 3,
        "sitting": chance.integers(0, 40, len(keys)),
        "visits": chance.integers(0, 3, len(keys)),
        "reported": chance.random(len(keys)) < 0.7,
        "praised": chance.random(len(keys)) < 0.7,
    }
    standing, batch = chance.random(300), chance.integers(-1, 4, 300)
    tight = replace(T, slack_batch=0.1, slack_praise=0.1, slack_crowd=0.1, crowd_times_usual=0.5, crowd_times_most=0.5)

    def found(parts):
        some = [
            Visitors.of(Pairs.of(**{name: c[account % parts == k] for name, c in columns.items()}), tight)
            for k in range(parts)
        ]
        odd = audiences.errands(some, standing, batch, 20, tight, threads=min(2, parts))
        return [odd.by_account(name, 300).tolist() for name in audiences.CELLS]

    assert found(1) == found(5)
    assert min(map(min, found(1))) < 1
