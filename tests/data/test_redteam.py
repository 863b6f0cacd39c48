"""The scoring's regression gate: a fixed small set of drawn weeks and attacks, with bars."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from data import redteam
from data.attacks import ATTACKS
from data.redteam_chart import drawn_captures

POLICIES = ("fairshare_v1", "classic_v1")


@pytest.fixture(scope="module")
def drawn():
    return redteam.campaign([*ATTACKS, redteam.MIXED], weeks=2, seed=7, policies=POLICIES)


def mine(drawn, policy="fairshare_v1"):
    return [trial for trial in drawn[1] if trial.policy == policy]


def test_attacks_take_a_fraction_of_what_they_take_from_the_first_score(drawn):
    captures = {
        policy: np.mean([t.capture for t in mine(drawn, policy) if t.capture is not None]) for policy in POLICIES
    }
    assert captures["classic_v1"] > 0.8
    assert captures["fairshare_v1"] < 0.14


@pytest.mark.parametrize("name", ["view_farm", "botnet", "device_farm", "like_ring", "comment_pod", "early_rush"])
def test_crowds_and_circles_get_next_to_nothing(drawn, name):
    assert max(t.capture for t in mine(drawn) if t.attack == name) < 0.12


def test_no_attack_pays(drawn):
    assert max(t.gain_per_cost for t in mine(drawn) if t.gain_per_cost is not None) < 0.06


def test_nobody_can_pull_a_rival_down_or_up(drawn):
    victims = [t.victim for t in mine(drawn) if t.victim is not None]
    assert victims
    assert all(-0.005 <= change <= 0.01 for change in victims)


def test_honest_people_are_left_alone(drawn):
    assert max(t.under_half for t in mine(drawn)) <= 0.001
    assert max(t.under_half_stratum for t in mine(drawn)) <= 0.002


def test_what_attackers_watch_as_a_disguise_moves_others_little(drawn):
    assert max(t.others for t in mine(drawn)) <= 0.01


def test_the_smaller_half_of_the_creators_is_not_worse_off_than_under_pro_rata(drawn):
    assert all(week.smaller_half["fairshare_v1"] >= 1.0 for week in drawn[0])


def test_the_same_seed_draws_the_same_figures(drawn):
    again = redteam.campaign(["botnet"], weeks=1, seed=7, policies=["fairshare_v1"])[1]
    assert again == [t for t in mine(drawn) if t.attack == "botnet" and t.week == 0]


def test_the_picture_has_a_row_an_attack_and_a_dot_a_week(drawn):
    picture = ET.fromstring(drawn_captures(drawn[1], POLICIES))
    texts = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    captures = [t for t in drawn[1] if t.capture is not None]
    assert {t.attack for t in captures} <= set(texts)
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}circle"))) == len(captures)
