"""What is done by sorting in process is what the definitions in SQL say, however much is held at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.worlds import WEEK, world
from bot_account_detection import clusters, meetings, viewer_weights
from bot_account_detection.thresholds import THRESHOLDS
from bot_account_detection.ways import ByDefinition, BySorting
from core.engine import connect

#: Everything in a few hours on a few videos, so that thousands of pairs meet often.
CLOSE = replace(THRESHOLDS, lockstep_block_us=24 * 3_600 * 10**6, lockstep_gap_us=6 * 3_600 * 10**6)


def relations(con, events, seed):
    made = world(events, seed=seed)
    for name in ("users", "videos", "events"):
        con.register(name, getattr(made, name))
    con.execute(f"set variable since_us = {WEEK.start_us}")
    con.execute(f"set variable until_us = {WEEK.end_us}")
    for relation in viewer_weights.RELATIONS:
        con.execute(viewer_weights._made(relation, 3))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sorting_finds_the_pairs_of_the_definition(seed):
    with connect(threads=2) as con:
        relations(con, 20_000, seed)
        wanted = ByDefinition(con).lockstep_pairs(CLOSE)
        found = BySorting(con).lockstep_pairs(CLOSE)
    assert len(wanted["one"]) > 500
    for name in wanted:
        assert np.array_equal(wanted[name], found[name]), name


def test_sorting_finds_the_busy_spots_of_the_grouping():
    found = []
    for way in (ByDefinition, BySorting):
        with connect(threads=2) as con:
            relations(con, 20_000, 1)
            way(con).find_busy_spots(CLOSE)
            found.append(con.sql("select spot from busy_spots order by spot").fetchall())
    assert len(found[0]) > 20
    assert found[0] == found[1]


def shapes():
    """Pairs that make a chain, rings, stars, a tree, chance, and nothing at all."""
    chance = np.random.default_rng(7)
    chain = np.arange(99)
    yield "chain", 100, chain, chain + 1
    order = chance.permutation(200)
    yield "shuffled chain", 200, order[:-1], order[1:]
    ring = np.arange(60)
    yield "rings", 60, ring, ring // 6 * 6 + (ring + 1) % 6
    yield "star", 50, np.full(40, 49), np.arange(40)
    yield "tree", 128, np.arange(1, 128), np.arange(1, 128) // 2
    for edges in (50, 300, 600):
        yield f"chance {edges}", 500, chance.integers(0, 500, edges), chance.integers(0, 500, edges)
    none = np.zeros(0, np.int64)
    yield "nothing", 5, none, none


@pytest.mark.parametrize(("count", "one", "two"), [pytest.param(*rest, id=name) for name, *rest in shapes()])
def test_groups_by_joining_are_the_groups(count, one, two):
    with connect(threads=1) as con:
        found = clusters.groups_by_joining(con, count, one, two)
    for got, wanted in zip(found, clusters.groups(count, one, two), strict=True):
        assert np.array_equal(got, wanted)


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
