"""classic_v1 beyond the published vectors: what is left out, what is unknown, what counts, in sentences."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.worlds import WEEK, world
from core.engine import connect
from core.tables import EVENTS, USERS, VIDEOS
from core.timewindows import Window
from tests.scoring.tables import DAY, at, event, events, one, score, users, videos

PEOPLE = [{"id": i, "viewer_trust_score": 80.0} for i in range(1, 10)]
VIDEO = [{"id": 1, "creator_id": 9, "created_at": at("01 00:00"), "duration_s": 15.0}]


def scored(log, people=PEOPLE, uploads=VIDEO, **options):
    return one(score(users(people), videos(uploads), events(log), **options))


def test_the_creators_own_events_count_nowhere():
    others = [event(1, "view"), event(2, "like"), event(2, "comment")]
    own = [event(9, kind) for kind in ("view", "like", "comment", "share", "report", "follow", "pause")]
    assert scored(others + own) == scored(others)


def test_events_outside_the_window_count_nowhere():
    inside = [event(1, "view", "01 00:00"), event(1, "like", "01 23:59:59.999999")]
    outside = [event(2, "report", "02 00:00"), event(2, "report", "2026-10-31T23:59:59.999999+00:00")]
    assert scored(inside + outside) == scored(inside)


def test_units_are_one_three_five_and_eight():
    kinds = ["view", "like", "comment", "share", "follow", "report", "pause"]
    row = scored([event(i, kind) for i, kind in enumerate(kinds, start=1)])
    assert row["eng_units"] == 1 + 3 + 5 + 8
    assert [row[f"{kind}s"] for kind in kinds] == [1] * 7


def test_an_unknown_viewer_has_the_trust_of_fifty():
    stranger, known = scored([event(777, "like")]), scored([event(1, "like")])
    assert json.loads(stranger["features"])["li"]["avg_vts"] == 50.0
    assert json.loads(known["features"])["li"]["avg_vts"] == 80.0


def test_an_unknown_device_or_address_is_no_evidence():
    shared = [event(i, "like", f"01 1{i}:00", device_id="d", ip_hash="i") for i in (1, 2, 3)]
    unknown = [event(i, "like", f"01 1{i}:00") for i in (4, 5, 6)]
    assert json.loads(scored(shared)["features"])["li"]["penalty_device"] == pytest.approx(12 * (3 - 1.2))
    assert json.loads(scored(unknown)["features"])["li"]["penalty_device"] == 0.0
    both = json.loads(scored(shared + unknown)["features"])["li"]
    assert (both["users_per_device"], both["users_per_ip"]) == (3.0, 3.0)


@pytest.mark.parametrize("duration", [None, 0.0])
def test_a_video_without_a_length_has_no_length_scale(duration):
    row = scored([event(1, "view")], uploads=[{**VIDEO[0], "duration_s": duration}])
    assert json.loads(row["features"])["ae"]["duration_scale"] == 1.0


def test_a_video_without_an_upload_time_has_no_age_scale_and_no_rush():
    log = [event(i, "view", device_id=f"d{i}", ip_hash=f"i{i}") for i in range(1, 9)]
    row = scored(log, uploads=[{"id": 1, "creator_id": 9}])
    assert json.loads(row["features"])["ae"]["recency_scale"] == 1.0
    assert row["early_boost"] is False


def test_a_clock_like_pace_costs_and_a_human_pace_does_not():
    """Gaps of 60, 60, 60 s have cv 0: 40 x (0.5 - 0) = 20 points; gaps of 10, 60, 110 s have cv 50 / 60: none."""
    robot = [event(i, "like", f"01 12:0{i}") for i in range(4)]
    human = [event(i, "like", f"01 12:0{i}:{s}") for i, s in ((0, "00"), (0, "10"), (1, "10"), (3, "00"))]
    li = [json.loads(scored(log)["features"])["li"] for log in (robot, human)]
    assert (li[0]["nat_cv"], li[0]["penalty_naturalness"]) == (0.0, 40 * 0.5)
    assert li[1]["nat_cv"] == pytest.approx(50 / 60)
    assert li[1]["penalty_naturalness"] == 0.0


def test_simultaneous_likes_have_no_gap():
    row = scored([event(i, "like") for i in range(1, 6)])
    assert json.loads(row["features"])["li"]["nat_cv"] is None


def early_log(views, devices, addresses, minute=119):
    when = f"01 {minute // 60:02}:{minute % 60:02}"
    return [
        event(i, "view", when, device_id=f"d{i % devices}", ip_hash=f"i{i % addresses}") for i in range(10, 10 + views)
    ]


@pytest.mark.parametrize(
    ("log", "boost"),
    [
        (early_log(50, 25, 20), True),
        (early_log(49, 49, 49), False),
        (early_log(50, 24, 20), False),
        (early_log(50, 25, 19), False),
        (early_log(50, 25, 20, minute=120), False),
    ],
    ids=["enough", "49 views", "24 devices", "19 addresses", "after two hours"],
)
def test_the_early_boost_needs_fifty_views_on_many_devices_and_addresses_in_two_hours(log, boost):
    assert scored(log)["early_boost"] is boost


def test_ages_are_taken_at_the_days_end_or_as_of():
    """Ten days old at the day's end: 40 + 0.25 x 10; a year later 40 + 0.25 x 375 = 133.75, at most 100."""
    people = [{"id": 1, "created_at": DAY.end - timedelta(days=10)}]
    at_end = scored([event(1, "like")], people=people)
    later = scored([event(1, "like")], people=people, as_of=DAY.end + timedelta(days=365))
    assert json.loads(at_end["features"])["li"]["avg_vts"] == 42.5
    assert json.loads(later["features"])["li"]["avg_vts"] == 100.0


def test_a_quiet_video_is_scored_as_the_formulas_say_and_not_at_all_when_nobody_asks():
    row = scored([])
    assert (row["comment_quality"], row["like_integrity"], row["report_credibility"]) == (50.0, 50.0, 90.0)
    assert row["counted_share"] is None
    assert score(users(PEOPLE), videos(VIDEO), events([]), with_quiet=False).num_rows == 0


def test_empty_tables_give_an_empty_answer():
    empty = [spec.schema.empty_table() for spec in (USERS, VIDEOS, EVENTS)]
    assert score(*empty).num_rows == 0


def test_a_video_that_is_not_up_yet_is_not_listed():
    later = [{"id": 1, "creator_id": 9, "created_at": at("02 00:00")}]
    assert score(users(PEOPLE), videos(later), events([])).num_rows == 0


def test_days_are_scored_one_by_one():
    three = Window(at("01 00:00"), at("04 00:00"))
    log = [event(1, "view", "01 10:00"), event(2, "like", "01 11:00"), event(1, "view", "03 10:00")]
    whole = score(users(PEOPLE), videos(VIDEO), events(log), three, with_quiet=False).to_pylist()
    assert [row["window_start"].day for row in whole] == [1, 3]
    first = score(users(PEOPLE), videos(VIDEO), events(log), three.days()[0], with_quiet=False).to_pylist()
    assert first == whole[:1]


def test_yesterdays_scores_are_todays_creator_factor():
    """A creator without a past has 50; on the next day the mean of the first day's score."""
    two = Window(at("01 00:00"), at("03 00:00"))
    log = [event(1, "view", "01 10:00"), event(1, "view", "02 10:00")]
    first, second = score(users(PEOPLE), videos(VIDEO), events(log), two).to_pylist()
    assert json.loads(first["features"])["creator"]["creator_mean_eis"] == 50.0
    assert json.loads(second["features"])["creator"]["creator_mean_eis"] == first["eis"]


def test_the_ten_most_recently_scored_videos_speak_for_a_creator():
    """Twelve earlier scores 0, 1, … 11 on days 1 … 12: the last ten have the mean (2 + … + 11) / 10 = 6.5."""
    past = [
        {"id": 100 + i, "creator_id": 9, "eis_current": float(i),
         "eis_updated_at": datetime(2026, 10, 1 + i, tzinfo=UTC)}
        for i in range(12)
    ]  # fmt: skip
    later = {"id": 200, "creator_id": 9, "eis_current": 99.0, "eis_updated_at": at("01 00:01")}
    row = scored([event(1, "view")], uploads=[*VIDEO, *past, later])
    assert json.loads(row["features"])["creator"]["creator_mean_eis"] == 6.5


@pytest.fixture(scope="module")
def small_world():
    return world(20_000, seed=3)


def test_ten_thousand_videos_take_as_many_statements_as_one():
    counts = []
    for size in (1, 10_000):
        uploads = videos([{"id": i, "creator_id": 9} for i in range(1, size + 1)])
        log = events([event(1, "view", video=i) for i in range(1, size + 1)])
        with connect(threads=1) as engine:
            con = Counting(engine)
            assert score(users(PEOPLE), uploads, log, con=con).num_rows == size
        counts.append(con.statements)
    assert counts[0] == counts[1] < 30


class Counting:
    """A connection that counts the statements that pass."""

    def __init__(self, con):
        self._con = con
        self.statements = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def execute(self, *given):
        self.statements += 1
        return self._con.execute(*given)

    def sql(self, *given, **named):
        self.statements += 1
        return self._con.sql(*given, **named)

    def __getattr__(self, name):
        return getattr(self._con, name)


def test_neither_the_order_of_the_rows_nor_the_threads_change_a_bit(small_world):
    plain = score(small_world.users, small_world.videos, small_world.events, WEEK)
    chance = np.random.default_rng(5)
    shuffled = [t.take(pa.array(chance.permutation(t.num_rows))) for t in
                (small_world.users, small_world.videos, small_world.events)]  # fmt: skip
    assert score(*shuffled, WEEK, threads=2).equals(plain)


def test_a_null_in_any_column_that_may_be_null_is_no_error(small_world):
    for name, spec in (("users", USERS), ("videos", VIDEOS), ("events", EVENTS)):
        for column in spec.columns:
            if column.required:
                continue
            tables = {"users": small_world.users, "videos": small_world.videos, "events": small_world.events}
            table = tables[name]
            at = table.column_names.index(column.name)
            tables[name] = table.set_column(at, column.name, pa.nulls(table.num_rows, column.field.type))
            result = score(tables["users"], tables["videos"], tables["events"], WEEK)
            assert result.num_rows > 0
            assert not np.isnan(result["eis"].to_numpy()).any()


def test_every_score_is_within_0_and_100(small_world):
    table = score(small_world.users, small_world.videos, small_world.events, WEEK)
    for name in ("eis", "authentic_engagement", "comment_quality", "like_integrity", "report_credibility"):
        values = table[name].to_numpy()
        assert 0 <= values.min() <= values.max() <= 100
