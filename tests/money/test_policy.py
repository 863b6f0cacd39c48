"""Policies: the pool, the quality index, the streak, and what a stored policy may hold."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from revenue_split.policy import CLASSIC_V1, POLICIES, PPB, PRORATA, Policy, PoolInputs, pool_cents, streak_ppb
from revenue_split.report import creators_words, reason_words

CENTS = st.integers(0, 10**12)


def pool(gross, mean=None, policy=CLASSIC_V1, **more):
    return pool_cents(PoolInputs(gross_cents=gross, **more), policy, mean)


def test_the_margin_binds_first():
    """Of 1000.00 the pool's part is 450.00, but 60 % margin leave only 400.00 for creators."""
    assert pool(100_000) == 40_000


def test_costs_taxes_fees_and_refunds_come_off():
    """Net 1000 - 100 - 50 - 50 = 800; its 45 % are 360; less costs of 100 the margin leaves 800 - 100 - 600."""
    more = {"taxes_cents": 100, "store_fees_cents": 50, "refunds_cents": 50}
    assert pool(1_000, **more, costs_cents=0) == 800 - 600
    assert pool(1_000, **more, costs_cents=100) == 800 - 100 - 600
    assert pool(1_000, taxes_cents=2_000) == 0


def test_quality_moves_the_pool_by_at_most_two_percent():
    """A margin of 0 takes the guardrail away: 45 % of 1000.00, times 1 + (EIS - 60) / 400 within 2 %."""
    loose = Policy(name="loose", margin_target_bp=0)
    assert pool(100_000, Fraction(60), loose) == 45_000
    assert pool(100_000, Fraction(64), loose) == 45_000 * 101 // 100
    assert pool(100_000, Fraction(99), loose) == 45_000 * 102 // 100
    assert pool(100_000, Fraction(0), loose) == 45_000 * 98 // 100
    assert pool(100_000, None, loose) == 45_000


def test_quality_never_breaks_the_margin():
    assert pool(100_000, Fraction(100)) == 40_000


@settings(max_examples=500, deadline=None, derandomize=True)
@given(CENTS, CENTS, CENTS, st.one_of(st.none(), st.fractions(0, 100)))
def test_a_pool_is_never_negative_and_never_above_what_the_margin_leaves(gross, taxes, costs, mean):
    got = pool(gross, mean, taxes_cents=taxes, costs_cents=costs)
    net = max(0, gross - taxes)
    assert 0 <= got <= max(0, Fraction(net - costs) - Fraction(gross * 6, 10))
    assert isinstance(got, int)


def test_the_streak_is_a_ramp_from_097_to_103():
    points = np.array([0, 40, 55, 70, 100], np.int64) * 10**6
    expected = [PPB * 97 // 100, PPB * 97 // 100, PPB, PPB * 103 // 100, PPB * 103 // 100]
    assert streak_ppb(points, CLASSIC_V1).tolist() == expected
    fine = streak_ppb(np.arange(40 * 10**6, 70 * 10**6, 12_345), CLASSIC_V1)
    assert (np.diff(fine) > 0).all()
    assert np.diff(fine).max() <= 30_000 * 12_345 // 15_000 + 1


def test_every_policy_survives_being_stored():
    for policy in POLICIES.values():
        assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ([], "an object"),
        ({}, "a name"),
        ({"name": ""}, "column name"),
        ({"name": "x", "colour": 1}, "column colour"),
        ({"name": "x", "pool_bp": 10_001}, "column pool_bp"),
        ({"name": "x", "pool_bp": 0.45}, "column pool_bp"),
        ({"name": "x", "hold_days": -1}, "column hold_days"),
        ({"name": "x", "gamma": True}, "column gamma"),
        ({"name": "x", "kyc_caps_cents": 5}, "column kyc_caps_cents"),
        ({"name": "x", "kyc_caps_cents": [0, 1]}, "column kyc_caps_cents"),
        ({"name": "x", "kyc_caps_cents": [0, 1, 2, "3"]}, "column kyc_caps_cents"),
        ({"name": "x", "platform_fee_bp": 6_000, "risk_reserve_bp": 5_000}, "column risk_reserve_bp"),
        ({"name": "x", "value_rule": "luck"}, "column value_rule"),
        ({"name": "x", "streak_low": 70}, "column streak_low"),
    ],
)
def test_a_malformed_policy_is_refused_by_name(data, place):
    with pytest.raises(BadInput, match=place):
        Policy.from_json(data)


@pytest.mark.parametrize("bad", [-1, 1.5, True, "7"])
def test_money_is_a_whole_number_of_cents(bad):
    with pytest.raises(BadInput, match="column gross_cents"):
        PoolInputs(gross_cents=bad)


def test_an_unknown_kyc_level_is_capped_at_nothing():
    assert [CLASSIC_V1.cap_cents(level) for level in (None, 0, 1, 2, 3)] == [0, 0, 5_000, 50_000, None]


def test_pro_rata_is_units_alone():
    assert (PRORATA.value_rule, PRORATA.streak_bp) == ("units", 0)


def test_every_reason_to_get_less_is_told_in_words():
    levels = [f"kyc_level_{level}" for level in range(4) if CLASSIC_V1.cap_cents(level) is not None]
    assert not [reason for reason in [*levels, "kyc_unknown", "likely_bot"] if "_" in reason_words(reason)]
    assert (creators_words(1), creators_words(1_000)) == ("1 creator", "1,000 creators")
