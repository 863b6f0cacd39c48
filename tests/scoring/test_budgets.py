"""Budgets: the scaled user-proportional split against a slow reference, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from viewer_activity.budgets import rates, scale

VIEWERS = st.lists(st.tuples(st.integers(1, 500), st.floats(0, 1)), min_size=1, max_size=40)
EVENNESS = st.floats(0.01, 1.0)


def given_in_all(units, weights, g):
    return sum(w * min(g * t, 1.0) for t, w in zip(units, weights, strict=True))


def slow_scale(units, weights, evenness):
    """`g` by halving an interval two hundred times."""
    low, high = 0.0, 1.0 / min(units)
    for _ in range(200):
        middle = (low + high) / 2
        if given_in_all(units, weights, middle) < evenness * sum(weights):
            low = middle
        else:
            high = middle
    return high


@given(VIEWERS, EVENNESS)
def test_the_scale_is_that_of_the_slow_reference(viewers, evenness):
    units, weights = np.array([t for t, _ in viewers]), np.array([w for _, w in viewers])
    if weights.sum() < 1e-6:
        return
    g = scale(units, weights, evenness)
    assert given_in_all(units, weights, g) == pytest.approx(evenness * weights.sum(), rel=1e-9)
    if evenness < 1:
        slow = slow_scale(units.tolist(), weights.tolist(), evenness)
        assert rates(units, weights, g) == pytest.approx(rates(units, weights, slow), rel=1e-9, abs=1e-12)


@given(VIEWERS, EVENNESS, st.randoms())
def test_the_order_of_the_viewers_changes_no_bit(viewers, evenness, chance):
    shuffled = list(viewers)
    chance.shuffle(shuffled)
    found = [scale(np.array([t for t, _ in v]), np.array([w for _, w in v]), evenness) for v in (viewers, shuffled)]
    assert found[0] == found[1]


def test_three_viewers_by_hand():
    # a = 1/2, weights 1: 1.5 to give. At g = 1/8 they give 1/8 + 2/8 + 1 = 1.375; the third is full from there on,
    # so g (1 + 2) = 1.5 - 1 and g = 1/6.
    units = np.array([1, 2, 8])
    assert scale(units, np.ones(3), 0.5) == pytest.approx(1 / 6)
    assert rates(units, np.ones(3), 1 / 6) == pytest.approx([1 / 6, 1 / 6, 1 / 8])


def test_nobody_gives_more_than_their_weight_however_often_they_play():
    units, weights = np.array([5, 10, 10_000_000]), np.array([1.0, 1.0, 0.4])
    assert (rates(units, weights, scale(units, weights)) * units <= weights + 1e-12).all()


def test_viewers_without_weight_give_nothing_and_change_nothing():
    units, weights = np.array([3, 9, 20]), np.array([1.0, 0.5, 0.7])
    more = scale(np.append(units, 1000), np.append(weights, 0.0))
    assert more == scale(units, weights)
    assert scale(units, np.zeros(3)) == 0.0
    assert scale(np.array([], np.int64), np.array([])) == 0.0


def test_one_viewer_is_one_vote_at_the_one_end_and_a_unit_is_a_unit_at_the_other():
    units = np.array([1, 4, 20])
    assert rates(units, np.ones(3), scale(units, np.ones(3), 1.0)) * units == pytest.approx([1, 1, 1])
    flat = rates(units, np.ones(3), scale(units, np.ones(3), 0.01))
    assert flat == pytest.approx(np.full(3, flat[0]))
