"""The scoring on weeks and attacks of other authors than ours (`strangers`), with bars; and what honest people lose."""

from __future__ import annotations

import numpy as np
import pytest

from core.engine import connect
from data import redteam
from tests.data import strangers

SEED = 2001
POLICIES = ("fairshare_v1",)


@pytest.fixture(scope="module")
def drawn():
    """One attack after the other on two honest weeks."""
    weeks, trials = [], []
    with connect() as con:
        for number in range(2):
            week = redteam.week_of(con, number, strangers.week(SEED + number, viewers=3000, creators=60), POLICIES)
            weeks.append(week)
            for name, crime in strangers.CRIMES.items():
                chance = np.random.default_rng([SEED, number, *map(ord, name)])
                world = week.world.merge(crime(week.world, chance))
                trials += redteam.judged(con, week, name, world, POLICIES)
    return weeks, trials


def test_attacks_by_other_authors_take_little(drawn):
    captures = [t.capture for t in drawn[1] if t.capture is not None]
    assert len(captures) > 15
    assert np.mean(captures) < 0.2


@pytest.mark.parametrize("name", ["flat_farm", "fresh_farm", "old_rack", "aged_net", "replay"])
def test_crowds_of_one_making_get_next_to_nothing(drawn, name):
    assert max(t.capture for t in drawn[1] if t.attack == name) < 0.15


def test_no_attack_by_other_authors_pays(drawn):
    assert max(t.gain_per_cost for t in drawn[1] if t.gain_per_cost is not None) < 0.10


def test_honest_people_of_other_habits_are_left_alone(drawn):
    weeks, trials = drawn
    assert max(t.under_half for t in trials) <= 0.005
    assert max(t.under_half_stratum for t in trials) <= 0.01
    # Thirty creators with a thousand events between them: a single week may lie a little below by chance.
    halves = [week.smaller_half["fairshare_v1"] for week in weeks]
    assert np.mean(halves) >= 0.99
    assert min(halves) >= 0.95


def test_a_rival_loses_nothing_by_robots_and_reports_of_other_authors(drawn):
    victims = [t.victim for t in drawn[1] if t.victim is not None]
    assert len(victims) == 4
    assert min(victims) >= -0.01
