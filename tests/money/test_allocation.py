"""From daily scores to what creators are paid: exact in every generated case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import BadInput
from core.timewindows import DAY, Window
from revenue_split.allocation import split_window
from revenue_split.policy import CLASSIC_V1, PRORATA
from revenue_split.units import Creators, mean_eis, video_units

START = datetime(2026, 11, 1, tzinfo=UTC)
WEEK = Window(START, START + 7 * DAY)
TIME = pa.timestamp("us", "UTC")
SCORES = pa.schema(
    [
        ("video_id", pa.int64()), ("window_start", TIME), ("window_end", TIME), ("eis", pa.float64()),
        ("eng_units", pa.int64()), ("early_boost", pa.bool_()),
    ]
)  # fmt: skip
USERS = pa.schema(
    [("id", pa.int64()), ("likely_bot", pa.bool_()), ("kyc_level", pa.int32()), ("creator_trust_score", pa.float64())]
)
VIDEOS = pa.schema([("id", pa.int64()), ("creator_id", pa.int64())])
FLAT = replace(CLASSIC_V1, streak_bp=0)


def day_score(video, day, eis, units, *, early=False):
    start = START + day * DAY
    return {
        "video_id": video, "window_start": start, "window_end": start + DAY, "eis": eis,
        "eng_units": units, "early_boost": early,
    }  # fmt: skip


def split(scores, owners, people, pool=100_000, policy=FLAT, window=WEEK, **more):
    """`owners`: video -> creator; `people`: creator -> (kyc level, trust, likely bot)."""
    users = [
        {"id": creator, "kyc_level": level, "creator_trust_score": trust, "likely_bot": bot}
        for creator, (level, trust, bot) in people.items()
    ]
    uploads = [{"id": video, "creator_id": creator} for video, creator in owners.items()]
    return split_window(
        policy=policy,
        window=window,
        pool_cents=pool,
        scores=pa.Table.from_pylist(scores, schema=SCORES),
        videos=pa.Table.from_pylist(uploads, schema=VIDEOS),
        creators=pa.Table.from_pylist(users, schema=USERS),
        **more,
    )


def paid(result):
    return {row["creator_id"]: row["capped_cents"] for row in result.creators.to_pylist()}


FULL = (3, None, False)


def test_days_are_summed_and_value_follows_the_square_of_the_score():
    """Video 1: 10 x 0.5^2 + 10 x 1.0^2 = 12.5; video 2: 10 x 0.5^2 x 1.05 (early) = 2.625."""
    scores = [day_score(1, 0, 50.0, 10), day_score(1, 1, 100.0, 10), day_score(2, 0, 50.0, 10, early=True)]
    result = split(scores, {1: 1, 2: 2}, {1: FULL, 2: FULL})
    rows = {row["video_id"]: row for row in result.videos.to_pylist()}
    assert (rows[1]["vu"], rows[2]["vu"]) == (12.5, 2.625)
    assert (rows[1]["eng_units"], rows[1]["eis_avg"]) == (20, 75.0)
    assert paid(result)[1] == round(Fraction(125, 125 + Fraction(2625, 100)) * 100_000)


def test_trust_moves_value_by_a_fifth_and_a_likely_bot_has_none():
    scores = [day_score(video, 0, 100.0, 100) for video in (1, 2, 3, 4)]
    people = {1: (3, 0.0, False), 2: (3, 100.0, False), 3: (3, None, False), 4: (3, 100.0, True)}
    vu = split(scores, {v: v for v in people}, people).videos["vu"].to_pylist()
    assert vu == [80.0, 120.0, 100.0, 0.0]


def test_the_streak_favours_seventy_over_forty():
    scores = [day_score(1, 6, 70.0, 100), day_score(2, 6, 40.0, 100)]
    with_streak = split(scores, {1: 1, 2: 2}, {1: FULL, 2: FULL}, policy=CLASSIC_V1)
    good, poor = Fraction(49 * 103), Fraction(16 * 97)
    assert paid(with_streak)[1] == round(good / (good + poor) * 100_000)


def test_the_streak_looks_at_seven_days_and_no_further():
    """A window of one day; the six days before belong to the streak, the seventh does not."""
    window = Window(START + 8 * DAY, START + 9 * DAY)
    today = [day_score(1, 8, 55.0, 1), day_score(2, 8, 55.0, 1)]
    people, owners = {1: FULL, 2: FULL}, {1: 1, 2: 2}
    within = split([*today, day_score(1, 2, 100.0, 10**6)], owners, people, policy=CLASSIC_V1, window=window)
    beyond = split([*today, day_score(1, 1, 100.0, 10**6)], owners, people, policy=CLASSIC_V1, window=window)
    assert paid(within)[1] == round(Fraction(103, 203) * 100_000)
    assert paid(beyond) == {1: 50_000, 2: 50_000}


def test_pro_rata_ignores_score_trust_and_suspicion():
    scores = [day_score(1, 0, 10.0, 30), day_score(2, 0, 90.0, 70)]
    people = {1: (3, 0.0, True), 2: (3, 100.0, False)}
    assert paid(split(scores, {1: 1, 2: 2}, people, policy=PRORATA)) == {1: 30_000, 2: 70_000}


def test_caps_hold_and_what_they_cut_off_flows_on():
    """Level 1 may get $50; level 0 and an unknown level nothing; the rest goes to the two that are free."""
    scores = [day_score(video, 0, 100.0, 100) for video in (1, 2, 3, 4, 5)]
    people = {creator: (level, None, False) for creator, level in enumerate((0, 1, 3, 3, None), start=1)}
    result = split(scores, {v: v for v in people}, people)
    assert paid(result) == {1: 0, 2: 5_000, 3: 47_500, 4: 47_500, 5: 0}
    assert {reason: part.cents for reason, part in result.withheld.items()} == {
        "kyc_level_0": 20_000, "kyc_level_1": 15_000, "kyc_unknown": 20_000,
    }  # fmt: skip
    free = split(scores, {v: v for v in people}, people, use_caps=False)
    assert set(paid(free).values()) == {20_000}


def test_what_nobody_can_take_stays_in_the_residual():
    scores = [day_score(1, 0, 100.0, 100)]
    result = split(scores, {1: 1}, {1: (1, None, False)})
    assert (result.allocated_cents, result.residual_cents) == (5_000, 95_000)
    nothing = split([day_score(1, 0, 100.0, 0)], {1: 1}, {1: FULL})
    assert (nothing.allocated_cents, nothing.residual_cents) == (0, 100_000)
    assert split([], {}, {}).residual_cents == 100_000


def test_fee_and_reserve_are_a_tenth_each_and_little_waits():
    """999 -> fee 99, reserve 99, rest 801 < 1000 waits; with 199 from before it is 1000 and is paid."""
    scores = [day_score(1, 0, 100.0, 1)]
    row = split(scores, {1: 1}, {1: FULL}, pool=999).creators.to_pylist()[0]
    assert row == {
        "creator_id": 1, "alloc_cents": 999, "capped_cents": 999, "platform_fee_cents": 99, "reserve_cents": 99,
        "pay_now_cents": 0, "carried_cents": 801,
    }  # fmt: skip
    for before, pays in ((198, 0), (199, 801)):
        later = split(scores, {1: 1}, {1: FULL}, pool=999, carried_cents={1: before}).creators.to_pylist()[0]
        assert (later["pay_now_cents"], later["carried_cents"]) == (pays, 801 - pays)


ROW = st.tuples(st.integers(1, 8), st.integers(0, 6), st.floats(0, 100), st.integers(0, 10**6), st.booleans())
PERSON = st.tuples(
    st.sampled_from([None, 0, 1, 2, 3]), st.one_of(st.none(), st.floats(0, 100)), st.sampled_from([None, False, True])
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    st.lists(ROW, max_size=30, unique_by=lambda row: row[:2]),
    st.lists(st.integers(1, 4), min_size=8, max_size=8),
    st.lists(PERSON, min_size=4, max_size=4),
    st.integers(0, 10**9),
    st.sampled_from([CLASSIC_V1, PRORATA]),
    st.booleans(),
)
def test_every_split_adds_up(rows, owner_list, persons, pool, policy, use_caps):
    scores = [day_score(video, day, eis, units, early=early) for video, day, eis, units, early in rows]
    owners = dict(enumerate(owner_list, start=1))
    people = dict(enumerate(persons, start=1))
    result = split(scores, owners, people, pool=pool, policy=policy, use_caps=use_caps)
    creators, videos = result.creators.to_pylist(), result.videos.to_pylist()
    assert result.allocated_cents + result.residual_cents == pool
    assert sum(row["capped_cents"] for row in creators) == result.allocated_cents
    assert sum(row["allocated_cents"] for row in videos) == result.allocated_cents
    for row in creators:
        parts = ("platform_fee_cents", "reserve_cents", "pay_now_cents", "carried_cents")
        assert sum(row[part] for part in parts) == row["capped_cents"]
        cap = policy.cap_cents(people[row["creator_id"]][0]) if use_caps else None
        assert 0 <= row["capped_cents"] <= (pool if cap is None else cap)
        own = [video for video in videos if video["creator_id"] == row["creator_id"]]
        assert sum(video["allocated_cents"] for video in own) == row["capped_cents"]
        assert all(video["vu"] > 0 or video["allocated_cents"] == 0 for video in own)
        assert sum(video["counted_units"] for video in own) > 0 or row["capped_cents"] == 0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.floats(1, 100), st.integers(1, 10**6)), min_size=2, max_size=8), st.integers(0, 10**9))
def test_renaming_creators_permutes_their_pay_within_the_odd_cent(works, pool):
    scores = [day_score(video, 0, eis, units) for video, (eis, units) in enumerate(works, start=1)]
    count = len(works)
    names = {video: video for video in range(1, count + 1)}
    renamed = {video: 1_000 - video for video in names}
    before = paid(split(scores, names, dict.fromkeys(names.values(), FULL), pool=pool))
    after = paid(split(scores, renamed, dict.fromkeys(renamed.values(), FULL), pool=pool))
    for video in names:
        assert abs(before[names[video]] - after[renamed[video]]) <= 1


def test_the_order_of_all_rows_changes_nothing():
    scores = [day_score(v, d, 10.0 * v + d, 7 * v + d) for v in range(1, 9) for d in range(7)]
    people, owners = {1: FULL, 2: (2, 33.0, False)}, {v: 1 + v % 2 for v in range(1, 9)}
    forth = split(scores, owners, people)
    back = split(scores[::-1], dict(reversed(owners.items())), dict(reversed(people.items())))
    assert forth.videos.equals(back.videos)
    assert forth.creators.equals(back.creators)


def test_the_mean_is_weighted_by_units_and_exact():
    scores = pa.Table.from_pylist([day_score(1, 0, 50.0, 1), day_score(2, 0, 80.0, 2)], schema=SCORES)
    assert mean_eis(scores, WEEK) == Fraction(50 + 2 * 80, 3)
    assert mean_eis(SCORES.empty_table(), WEEK) is None


def test_rows_that_do_not_fit_are_refused():
    people, owners = {1: FULL}, {1: 1}
    with pytest.raises(BadInput, match="scored twice for one day"):
        split([day_score(1, 0, 50.0, 1), day_score(1, 0, 60.0, 1)], owners, people)
    with pytest.raises(BadInput, match="7 is not the id of any row in videos"):
        split([day_score(7, 0, 50.0, 1)], owners, people)
    with pytest.raises(BadInput, match="1 is not the id of any row in users"):
        split([day_score(1, 0, 50.0, 1)], owners, {2: FULL})
    half = Window(START + timedelta(hours=12), START + 2 * DAY)
    with pytest.raises(BadInput, match="cuts through the scored day"):
        split([day_score(1, 0, 50.0, 1)], owners, people, window=half)


def test_a_hundred_billion_units_a_day_do_not_overflow_and_more_are_refused():
    scores = pa.Table.from_pylist([day_score(1, day, 100.0, 10**11) for day in range(7)], schema=SCORES)
    users = Creators.of_users(pa.Table.from_pylist([{"id": 1}], schema=USERS))
    videos = pa.Table.from_pylist([{"id": 1, "creator_id": 1}], schema=VIDEOS)
    assert video_units(scores, videos, users, WEEK, FLAT).vu_micro.tolist() == [7 * 10**17]
    assert mean_eis(scores, WEEK) == 100
    with pytest.raises(BadInput, match="column eng_units"):
        split([day_score(1, 0, 100.0, 10**13)], {1: 1}, {1: FULL})
