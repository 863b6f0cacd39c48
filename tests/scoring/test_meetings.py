"""Pairs and groups, however much is held at a time and however they are found."""

from __future__ import annotations

import numpy as np
import pytest

from bot_account_detection import clusters, meetings
from core.engine import connect

RULE = meetings.Rule(neighbours=12, gap_us=500, close_us=100, least=3)


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
    spot, person = rows // people, (rows % people).astype(np.int32)
    first_us, rarity = chance.integers(0, 1000, len(rows)), chance.integers(1, 50, len(rows))

    def visits(some):
        return meetings.Visits.ordered(spot[some], person[some], first_us[some], rarity[some], people=people)

    whole = meetings.pairs([visits(rows >= 0)], RULE, people=people)
    assert len(whole.one) > 1000
    for parts in (1, 7):
        of_spots = [visits(spot % parts == part) for part in range(parts)]
        for at_once in (5_000, 50_000, 1 << 20):
            found = meetings.pairs(of_spots, RULE, people=people, at_once=at_once, threads=2)
            for name in ("one", "two", "together", "close_together", "rarity"):
                assert np.array_equal(getattr(whole, name), getattr(found, name)), name


def test_numbers_too_large_to_be_put_into_one_are_sorted_all_the_same():
    spot = np.array([2**61, 2**61, 5, 5])
    person = np.array([3, 1, 2, 0])
    visits = meetings.Visits.ordered(spot, person, np.zeros(4, int), np.ones(4, int), people=2**31)
    assert visits.spot.tolist() == [5, 5, 2**61, 2**61]
    assert visits.person.tolist() == [0, 2, 1, 3]


def test_nobody_meets_nobody():
    none = np.zeros(0, np.int64)
    visits = meetings.Visits.ordered(none, none, none, none, people=0)
    found = meetings.pairs([visits], RULE, people=0)
    assert len(found.one) == 0
    assert len(meetings.pairs([], RULE, people=0).one) == 0
    assert len(visits.met(0)) == 0
