"""What is done by sorting in process is what the definitions in SQL say, to the last bit, whatever the log is like."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.worlds import WEEK, world
from bot_account_detection.by_sorting import BySorting
from bot_account_detection.definitions import ByDefinition
from bot_account_detection.sorted_log import sort_log
from bot_account_detection.thresholds import THRESHOLDS
from core import arrays
from core.engine import connect, engine_refusals
from core.errors import ConfigError
from core.event_log import EVENT_TYPES
from core.timewindows import DAY_US, Window
from data.plan import Plan
from data.simulator import attack_names, simulate
from tests.scoring.tables import at, event, events, users, videos
from viewer_activity import model
from viewer_activity.weighed_log import Totals

END = datetime(2026, 11, 10, tzinfo=UTC)
#: Everything in a few hours on a few videos, so that thousands of pairs meet often.
CLOSE = replace(THRESHOLDS, lockstep_block_us=DAY_US, lockstep_gap_us=DAY_US // 4)


def scored(monkeypatch, way, tables, window, *, threads=2, as_of=None, labels=None):
    """Scores, weights and what is taken off between accounts and creators."""
    with monkeypatch.context() as patch, connect(threads=threads) as con:
        patch.setattr(model, "ways", lambda con, **_: way(con))
        for name, table in zip(("users", "videos", "events"), tables, strict=True):
            con.register(name, table)
        found = model.score_window(
            con, "fairshare_v1", window, seen=window, videos=tables[1], as_of=as_of, with_quiet=True, labels=labels
        )
        less = con.sql("from discounts order by all").to_arrow_table()
    return found.days, found.weights, less


def both(monkeypatch, tables, window, **options):
    sorting, definition = (scored(monkeypatch, way, tables, window, **options) for way in (BySorting, ByDefinition))
    for got, wanted in zip(sorting, definition, strict=True):
        assert got.schema == wanted.schema
        assert got.num_rows == wanted.num_rows
        for name in wanted.column_names:
            assert got[name].equals(wanted[name]), name
    return sorting


@pytest.fixture(scope="module")
def week():
    """Two simulated weeks with every attack in them."""
    made = simulate(Plan(end=END, days=14, users=700, max_videos=4, max_events=150), attack_names("all"))
    return made.users, made.videos, made.events


@pytest.mark.parametrize("hours", [0, 5])
def test_a_week_with_attacks_and_a_past(monkeypatch, week, hours):
    window = Window(END - timedelta(days=7), END - timedelta(hours=hours))
    _, weights, less = both(monkeypatch, week, window)
    assert np.count_nonzero(weights["weight"].to_numpy() < 0.3) > 50
    assert weights["cluster_id"].null_count < weights.num_rows - 20
    assert less.num_rows > 20


@pytest.mark.parametrize("rows_at_once", [100, 5_000])
def test_however_many_rows_are_sorted_at_a_time(monkeypatch, week, rows_at_once):
    window = Window(END - timedelta(days=7), END)
    wanted = scored(monkeypatch, BySorting, week, window, threads=1)
    monkeypatch.setitem(sort_log.__kwdefaults__, "at_once", rows_at_once)
    found = scored(monkeypatch, BySorting, week, window, threads=3)
    assert all(got.equals(table) for got, table in zip(found, wanted, strict=True))


def spread(table, columns, ids):
    """The same rows with other ids, `ids` by the old ones."""
    for name in columns:
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(ids[table[name].to_numpy()]))
    return table


@pytest.mark.parametrize("ids", ["near", "far"])
def test_ids_may_lie_anywhere(monkeypatch, ids):
    made = world(30_000, seed=3)
    top = max(made.users.num_rows, made.videos.num_rows) + 1
    numbers = np.sort(np.random.default_rng(1).choice(2**20 if ids == "near" else 2**62, top, replace=False))
    tables = (
        spread(made.users, ["id"], numbers),
        spread(made.videos, ["id", "creator_id"], numbers),
        spread(made.events, ["user_id", "video_id"], numbers),
    )
    both(monkeypatch, tables, WEEK)


def test_accounts_and_videos_that_only_events_name(monkeypatch):
    made = world(20_000, seed=5)
    few = (made.users.slice(0, 600), made.videos.slice(0, 60), made.events)
    days, weights, _ = both(monkeypatch, few, WEEK)
    assert weights.num_rows == 600
    assert set(days["video_id"].to_pylist()) <= set(few[1]["id"].to_pylist())


def test_without_anybody(monkeypatch):
    for clips in ([], CLIPS):
        both(monkeypatch, (users([]), videos(clips), events([])), WEEK)


def test_a_long_window_of_few_events_is_small(monkeypatch):
    """What is summed are the videos and days that have events."""
    made = world(2_000, seed=1)
    window = Window(WEEK.start - timedelta(days=400), WEEK.end)
    days, *_ = both(monkeypatch, (made.users, made.videos, made.events), window)
    assert days.num_rows < 200


def test_without_any_event(monkeypatch):
    made = world(1_000, seed=1)
    for rows in (made.events.slice(0, 0), made.events.slice(0, 1)):
        both(monkeypatch, (made.users, made.videos, rows), WEEK)


def test_nothing_is_known_of_anybody(monkeypatch):
    made = world(20_000, seed=6)
    columns = {"device_id": pa.string(), "ip_hash": pa.string()}
    log = made.events
    for name, kind in columns.items():
        log = log.set_column(log.column_names.index(name), name, pa.nulls(log.num_rows, kind))
    people = made.users.select(["id"])
    for field in made.users.schema:
        if field.name != "id":
            people = people.append_column(field, pa.nulls(people.num_rows, field.type))
    both(monkeypatch, (people, made.videos, log), WEEK)


PEOPLE = [{"id": u, "created_at": at("2022-01-01T00:00") if u % 3 else None, "kyc_level": u % 4} for u in range(1, 9)]
# One whose word is worth nothing, and one who is nearly that.
PEOPLE += [{"id": 9, "viewer_trust_score": 0.0}, {"id": 10, "created_at": at("02 00:00"), "likely_bot": True}]
CLIPS = [{"id": v, "creator_id": 1 + v % 4, "created_at": at("02 00:00") if v % 2 else None} for v in range(1, 6)]
SOME_EVENT = st.builds(
    event,
    st.integers(1, 12),
    st.sampled_from(EVENT_TYPES),
    st.builds("{:02} {:02}:{:02}".format, st.integers(1, 4), st.integers(0, 23), st.integers(0, 3)),
    video=st.integers(1, 6),
    device_id=st.sampled_from([None, "a", "b", "c"]),
    ip_hash=st.sampled_from([None, "x", "y"]),
)


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(SOME_EVENT, max_size=60))
def test_any_few_events(rows):
    tables = (users(PEOPLE), videos(CLIPS), events(rows))
    window = Window(at("02 00:00"), at("04 12:00"))
    with pytest.MonkeyPatch.context() as patch:
        both(patch, tables, window, threads=1)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pairs_that_meet_often(seed):
    made = world(20_000, seed=seed)
    found = []
    for way in (BySorting, ByDefinition):
        with connect(threads=2) as con:
            for name in ("users", "videos", "events"):
                con.register(name, getattr(made, name))
            con.execute(f"set variable since_us = {WEEK.start_us}")
            con.execute(f"set variable until_us = {WEEK.end_us}")
            one = way(con)
            one.begin(WEEK, CLOSE)
            found.append(one.lockstep_pairs(CLOSE))
    assert len(found[1]["one"]) > 500
    for name, wanted in found[1].items():
        assert np.array_equal(found[0][name], wanted), name


def test_sums_of_any_size_are_the_floats_that_the_engine_makes():
    chance = np.random.default_rng(2)
    cell, values = chance.integers(0, 5, 4000), chance.integers(0, 2**62, 4000)
    totals = Totals(6)
    for part in range(0, 4000, 500):
        totals.add("x", cell[part : part + 500], values[part : part + 500])
    with connect(threads=1) as con:
        con.register("rows", pa.table({"cell": cell, "x": values}))
        wanted = con.sql("select sum(x::hugeint)::double as x from rows group by cell order by cell").to_arrow_table()
    assert totals.as_float("x").tolist() == [*wanted["x"].to_pylist(), 0.0]
    totals.add("small", cell, cell)
    assert totals.whole("small").tolist() == [*np.bincount(cell, cell).astype(int).tolist(), 0]


@pytest.mark.parametrize("bits", [10, 62])
def test_an_order_is_the_same_whether_rows_fit_beside_the_numbers_or_not(bits):
    key = np.random.default_rng(3).integers(0, 1 << bits, 5_000)
    found, order = arrays.order_of(key, bits)
    assert np.array_equal(order, np.argsort(key, kind="stable"))
    assert np.array_equal(found, np.sort(key))


def test_parts_cover_every_row_once_and_keep_groups_whole():
    group = np.random.default_rng(4).integers(0, 50, 10_000).astype(np.int32)
    for at_once in (1, 300, 10_000, 10**6):
        borders = arrays.ranges(np.bincount(group, minlength=60), at_once=at_once)
        assert (borders[0], borders[-1]) == (0, 60)
        parts = arrays.partition(group, borders)
        assert sorted(np.concatenate(parts).tolist()) == list(range(10_000))
        for low, high, rows in zip(borders, borders[1:], parts, strict=False):
            assert ((group[rows] >= low) & (group[rows] < high)).all()


def test_too_little_memory_for_the_arrays_is_one_sentence():
    with pytest.raises(ConfigError, match="too little memory"), engine_refusals():
        np.empty(1 << 46, np.int64)
