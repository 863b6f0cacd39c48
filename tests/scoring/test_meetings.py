"""Pairs found by sorting are the pairs of the definition in SQL, however much is held at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.worlds import WEEK, world
from bot_account_detection import meetings, viewer_weights
from bot_account_detection.thresholds import THRESHOLDS
from core.engine import connect

#: Everything in a few hours on a few videos, so that thousands of pairs meet often.
CLOSE = replace(THRESHOLDS, lockstep_block_us=24 * 3_600 * 10**6, lockstep_gap_us=6 * 3_600 * 10**6)


def relations(con, events, seed, t):
    made = world(events, seed=seed)
    for name in ("users", "videos", "events"):
        con.register(name, getattr(made, name))
    con.execute(f"set variable since_us = {WEEK.start_us}")
    con.execute(f"set variable until_us = {WEEK.end_us}")
    for relation in viewer_weights.RELATIONS:
        con.execute(viewer_weights._sql(relation, t))


def by_definition(con, t):
    text = (viewer_weights.FOLDER / "lockstep.sql").read_text(encoding="utf-8")
    text = text.format(neighbours=t.lockstep_neighbours)
    return con.sql(text, params=t.parameters("lockstep")).to_arrow_table()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sorting_finds_the_pairs_of_the_definition(seed):
    with connect(threads=2) as con:
        relations(con, 20_000, seed, CLOSE)
        wanted = by_definition(con, CLOSE)
        found = viewer_weights.lockstep_pairs(con, CLOSE)
    assert len(wanted) > 500
    for name in wanted.column_names:
        assert np.array_equal(wanted[name].to_numpy(), found[name]), name


def test_pairs_do_not_depend_on_how_many_meetings_are_held_at_a_time():
    chance = np.random.default_rng(4)
    people, spots = 300, 200
    rows = np.unique(chance.integers(0, people * spots, 20_000))
    first_us, rarity = chance.integers(0, 1000, len(rows)), chance.integers(1, 50, len(rows))
    visits = meetings.Visits.ordered(rows // people, rows % people, first_us, rarity, people=people)
    sizes = {"people": people, "neighbours": 12, "gap_us": 500, "close_us": 100, "least": 3}
    whole = meetings.pairs(visits, **sizes)
    assert len(whole.one) > 1000
    for at_once in (5_000, 50_000):
        parts = meetings.pairs(visits, **sizes, at_once=at_once)
        for name in ("one", "two", "together", "close_together", "rarity"):
            assert np.array_equal(getattr(whole, name), getattr(parts, name)), name


def test_numbers_too_large_to_be_put_into_one_are_sorted_all_the_same():
    spot = np.array([2**61, 2**61, 5, 5])
    person = np.array([3, 1, 2, 0])
    visits = meetings.Visits.ordered(spot, person, np.zeros(4, int), np.ones(4, int), people=2**31)
    assert visits.spot.tolist() == [5, 5, 2**61, 2**61]
    assert visits.person.tolist() == [0, 2, 1, 3]


def test_nobody_meets_nobody():
    none = np.zeros(0, np.int64)
    visits = meetings.Visits.ordered(none, none, none, none, people=0)
    found = meetings.pairs(visits, people=0, neighbours=12, gap_us=1, close_us=1, least=3)
    assert len(found.one) == 0
    assert len(visits.met(0)) == 0
