"""The division of a pool into cents: exact in every generated case, and the same on every machine."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.money import Division, divide, exact_weights, tie_key

PAPER = settings(max_examples=1000, deadline=None, derandomize=True)

WEIGHT = st.one_of(
    st.integers(0, 10),
    st.integers(0, 10**18),
    st.floats(0, 1e12, allow_nan=False, allow_subnormal=False),
    st.sampled_from([0, 0.1, 1 / 3, 1e-9, 5e-324]),
)
CAP = st.one_of(st.none(), st.integers(0, 5), st.integers(0, 10**7))
MEMBERS = st.lists(st.tuples(WEIGHT, CAP), max_size=14)
POOL = st.one_of(st.integers(0, 20), st.integers(0, 10**9), st.integers(0, 10**15))


def split(pool: int, members: list[tuple[float, int | None]], keys: list[int] | None = None) -> Division:
    return divide(
        pool_cents=pool,
        weights=[w for w, _ in members],
        caps_cents=[c for _, c in members],
        tie_keys=keys or [tie_key("test", i) for i in range(len(members))],
    )


@PAPER
@given(POOL, MEMBERS)
def test_every_cent_is_allocated_or_residual_and_no_cap_is_passed(pool, members):
    done = split(pool, members)
    assert sum(done.cents) + done.residual_cents == pool
    assert done.residual_cents >= 0
    for cents, (weight, cap) in zip(done.cents, members, strict=True):
        assert 0 <= cents <= (pool if cap is None else cap)
        assert weight > 0 or cents == 0


@PAPER
@given(POOL, MEMBERS)
def test_a_residual_remains_only_when_everybody_stands_at_their_cap(pool, members):
    done = split(pool, members)
    takers = [(c, cap) for c, (w, cap) in zip(done.cents, members, strict=True) if w > 0]
    assert done.residual_cents == 0 or all(cents == cap for cents, cap in takers)


@PAPER
@given(POOL, MEMBERS)
def test_each_share_is_within_a_cent_of_the_water_level(pool, members):
    done = split(pool, members)
    expected = water_levels(pool, members)
    for cents, share in zip(done.cents, expected, strict=True):
        assert abs(cents - share) < 1
        assert cents == share or share.denominator != 1


@PAPER
@given(POOL, MEMBERS, st.randoms(use_true_random=False))
def test_the_order_of_the_members_only_permutes_the_answer(pool, members, chance):
    order = list(range(len(members)))
    chance.shuffle(order)
    keys = [tie_key("window", i) for i in order]
    straight = split(pool, members, [tie_key("window", i) for i in range(len(members))])
    shuffled = split(pool, [members[i] for i in order], keys)
    assert shuffled.cents == [straight.cents[i] for i in order]
    assert shuffled.residual_cents == straight.residual_cents


@PAPER
@given(POOL, MEMBERS, st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_scale_of_the_weights_changes_nothing(pool, members, up, down):
    exact = exact_weights([w for w, _ in members])
    scaled = [(weight * up, cap) for weight, (_, cap) in zip(exact, members, strict=True)]
    other = [(weight * down, cap) for weight, (_, cap) in zip(exact, members, strict=True)]
    assert split(pool, members) == split(pool, scaled) == split(pool, other)


@PAPER
@given(POOL, MEMBERS)
def test_a_greater_weight_is_never_paid_less_under_equal_caps(pool, members):
    free = [(weight, None) for weight, _ in members]
    done = split(pool, free)
    ranked = sorted(zip([w for w, _ in free], done.cents, strict=True))
    for (lighter, less), (heavier, more) in pairwise(ranked):
        assert less <= more or lighter == heavier


def water_levels(pool: int, members: list[tuple[float, int | None]]) -> list[Fraction]:
    """The exact shares before rounding, found by lowering the level member by member: slow and plain."""
    shares = [Fraction(0)] * len(members)
    open_members = {i for i, (w, _) in enumerate(members) if w > 0}
    rest = Fraction(pool)
    while open_members:
        level = rest / sum(Fraction(members[i][0]) for i in open_members)
        full = {
            i for i in open_members if (cap := members[i][1]) is not None and cap <= level * Fraction(members[i][0])
        }
        if not full:
            for i in open_members:
                shares[i] = level * Fraction(members[i][0])
            return shares
        for i in full:
            shares[i] = Fraction(members[i][1] or 0)
            rest -= shares[i]
        open_members -= full
    return shares


def test_three_equal_members_share_a_hundred_and_the_hash_says_who_gets_the_odd_cent():
    keys = [30, 10, 20]
    assert divide(pool_cents=100, weights=[1, 1, 1], tie_keys=keys) == Division([33, 34, 33], 0)


def test_the_odd_cent_wanders_from_window_to_window():
    lucky = set()
    for day in range(60):
        keys = [tie_key(f"2026-11-{day}", creator) for creator in (1, 2, 3)]
        cents = divide(pool_cents=100, weights=[7, 7, 7], tie_keys=keys).cents
        lucky.add(cents.index(34))
    assert lucky == {0, 1, 2}


def test_what_a_cap_cuts_off_flows_to_the_others():
    done = divide(pool_cents=1000, weights=[8, 1, 1], caps_cents=[100, None, 300], tie_keys=[1, 2, 3])
    assert done == Division([100, 600, 300], 0)


def test_what_nobody_can_take_is_the_residual():
    done = divide(pool_cents=1000, weights=[5, 5, 0], caps_cents=[100, 0, None], tie_keys=[1, 2, 3])
    assert done == Division([100, 0, 0], 900)
    assert divide(pool_cents=7, weights=[], tie_keys=[]) == Division([], 7)


def test_the_tie_key_is_the_same_everywhere():
    assert tie_key("2026-11-01", 42) == 0x7D87FAFD74FF846A
    assert tie_key("2026-11-01", 42) != tie_key("2026-11-08", 42)


def test_a_tenth_is_the_binary_fraction_that_is_stored():
    tenth, three_tenths = exact_weights([0.1, 0.3])
    assert Fraction(tenth, three_tenths) == Fraction(0.1) / Fraction(0.3) != Fraction(1, 3)


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), -0.5])
def test_a_weight_without_meaning_is_refused(weight):
    with pytest.raises(BadInput, match="row 2: a weight must be finite"):
        divide(pool_cents=1, weights=[1, weight], tie_keys=[1, 2])


def test_a_negative_pool_or_cap_is_refused():
    with pytest.raises(BadInput, match="pool"):
        divide(pool_cents=-1, weights=[1], tie_keys=[1])
    with pytest.raises(BadInput, match="cap"):
        divide(pool_cents=1, weights=[1], caps_cents=[-1], tie_keys=[1])
    with pytest.raises(BadInput, match="do not belong together"):
        divide(pool_cents=1, weights=[1], tie_keys=[])


def test_rounding_each_share_alone_would_lose_cents():
    """The mutant that this file guards against: plain rounding of three thirds does not add up."""
    naive = [round(100 / 3)] * 3
    assert sum(naive) != 100 == sum(divide(pool_cents=100, weights=[1, 1, 1], tie_keys=[1, 2, 3]).cents)
