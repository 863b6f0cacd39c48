"""Scores in the database: the same figures as from files, whichever way they travel, and whatever is interrupted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.worlds import WEEK, World, world
from core.errors import BadInput, StackError
from core.settings import Settings
from core.timewindows import DAY, Window
from data.load import Batch, load
from revenue_split.allocation import split_window
from revenue_split.policy import CLASSIC_V1, PoolInputs
from revenue_split.windows import preview
from supabase_conn import bulk_connection, job_client
from tests.scoring.tables import score
from viewer_activity import pages
from viewer_activity.gateway import ApiStore, BulkStore, Mark, Scored, latest_scores, open_store
from viewer_activity.score import days_with_events, score_days
from viewer_activity.upserts import SCORE_COLUMNS

MODEL = "classic_v1"
#: The classic model has no counted units, and its features are JSON that the database writes in its own way.
PLAIN = [name for name in SCORE_COLUMNS if name not in ("features", "counted_units")]
classic_days = partial(score_days, model=MODEL)


@pytest.fixture(scope="module")
def small():
    """A week of 12,000 events in which the database's rules hold: every user's flags are known."""
    made = world(12_000, seed=21)
    users = made.users
    for name in ("is_creator", "likely_bot"):
        users = users.set_column(users.column_names.index(name), name, pc.fill_null(users[name], False))
    return World(users, made.videos, made.events)


@pytest.fixture
def settings(sql_db_url):
    """Settings that know a fresh database of this test's own and no API."""
    return Settings(
        supabase_url="http://127.0.0.1:9", supabase_publishable_key="sb_publishable_none", supabase_db_url=sql_db_url
    )


@pytest.fixture
def filled(settings, small):
    load(settings, batch(small))
    return settings


def batch(made):
    return Batch({"users": made.users, "videos": made.videos, "events": made.events})


def from_files(small):
    return score(small.users, small.videos, small.events, WEEK, with_quiet=False)


def kept(settings):
    """All scores of the database in the order of the model's own answer."""
    with bulk_connection(settings) as connection, connection.cursor() as cursor:
        columns = ", ".join(PLAIN)
        cursor.execute(f"select {columns} from video_aggregates order by window_start, video_id")
        return cursor.fetch_arrow_table()


def rows(settings, query):
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as connection:
        return connection.execute(query).fetchall()


def everything(settings):
    return {
        query: rows(settings, query)
        for query in (
            "select * from video_aggregates order by id",
            "select * from scored_days order by window_start",
            "select id, eis_current, eis_updated_at, eis_model from videos order by id",
        )
    }


def assert_same(found: pa.Table, expected: pa.Table):
    for name in PLAIN:
        if name in ("window_start", "window_end"):
            found_values = found[name].cast(pa.timestamp("us", "UTC")).to_pylist()
            assert found_values == expected[name].to_pylist()
        else:
            # To the last bit: a float that travels is not rounded.
            assert found[name].to_pylist() == expected[name].to_pylist(), name


def test_the_database_keeps_what_files_give(filled, small):
    done = classic_days(filled, WEEK.days())
    expected = from_files(small)
    assert_same(kept(filled), expected)
    assert [day.videos for day in done] == [
        expected.filter(pc.equal(expected["window_start"], day.start)).num_rows for day in WEEK.days()
    ]
    assert sum(day.events for day in done) == small.events.num_rows
    latest = {row["video_id"]: (row["eis"], row["window_end"]) for row in expected.to_pylist()}
    current = rows(filled, "select id, eis_current, eis_updated_at from videos where eis_model = 'classic_v1'")
    assert {video: (eis, end) for video, eis, end in current} == latest


def test_a_window_closed_from_the_database_pays_what_a_split_of_files_pays(filled, small):
    classic_days(filled, WEEK.days())
    figures = preview(filled, WEEK, PoolInputs(gross_cents=5_000_000), CLASSIC_V1)
    assert figures.result.pool_cents > 0
    files = split_window(
        policy=CLASSIC_V1,
        window=WEEK,
        pool_cents=figures.result.pool_cents,
        scores=from_files(small),
        videos=small.videos,
        creators=small.users,
    )
    assert figures.result.creators.equals(files.creators)
    assert figures.result.videos.equals(files.videos)


def test_scoring_twice_changes_nothing_even_when_asked_to(filled):
    classic_days(filled, WEEK.days())
    before = everything(filled)
    assert not any(day.scored for day in classic_days(filled, WEEK.days()))
    assert everything(filled) == before
    assert all(day.scored for day in classic_days(filled, WEEK.days(), again=True))
    assert everything(filled) == before


def test_an_interrupted_run_goes_on_to_the_same_end(filled, small):
    class Interrupted(Exception):
        pass

    def stop_after_the_third(result):
        if result.day == WEEK.days()[2]:
            raise Interrupted

    with pytest.raises(Interrupted):
        classic_days(filled, WEEK.days(), on_day=stop_after_the_third)
    assert len(rows(filled, "select * from scored_days")) == 3
    done = classic_days(filled, WEEK.days())
    assert [day.scored for day in done] == [False] * 3 + [True] * 4
    assert_same(kept(filled), from_files(small))


def test_a_day_is_kept_as_a_whole_or_not_at_all(filled, small):
    day = WEEK.days()[0]
    scores = score(small.users, small.videos, small.events, day, with_quiet=False)
    eis = scores["eis"].to_numpy().copy()
    eis[-1] = 101.0
    broken = scores.set_column(scores.column_names.index("eis"), "eis", pa.array(eis))
    with pytest.raises(StackError, match="the database refused"), open_store(filled) as store:
        store.write(Scored(day, MODEL, broken, {day: 1}))
    assert rows(filled, "select count(*) from video_aggregates") == [(0,)]
    assert rows(filled, "select count(*) from scored_days") == [(0,)]
    assert rows(filled, "select count(*) from videos where eis_current is not null") == [(0,)]


def test_a_score_of_another_model_is_nobodys_past(filled, small):
    rows_changed = "update videos set eis_current = 99, eis_updated_at = '2026-10-01', eis_model = 'other'"
    with psycopg.connect(filled.supabase_db_url.get_secret_value()) as connection:
        connection.execute(rows_changed)
    with open_store(filled) as store:
        latest = latest_scores(store, store.videos(), MODEL, WEEK.start)
    assert np.isnan(latest.eis).all()
    classic_days(filled, WEEK.days()[:1])
    assert_same(kept(filled), from_files(small).filter(pc.equal(from_files(small)["window_start"], WEEK.start)))


def test_a_day_that_is_not_over_is_refused(settings):
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    with pytest.raises(BadInput, match="is not over yet"):
        classic_days(settings, [Window(today, today + DAY)])
    with pytest.raises(BadInput, match="not one whole UTC day"):
        classic_days(settings, [Window(today - DAY, today - timedelta(hours=1))])


def test_all_days_are_those_with_events_that_are_over(filled):
    with open_store(filled) as store:
        assert days_with_events(store, now=WEEK.end + DAY) == WEEK.days()
        assert days_with_events(store, now=WEEK.start + 2.5 * DAY) == WEEK.days()[:2]
    assert rows(filled, "select count(*) from scored_days") == [(0,)]


def test_an_empty_database_has_no_days(settings):
    with open_store(settings) as store:
        assert days_with_events(store) == []


# -- the data API: the same database seen both ways ---------------------------------------------------------------

#: Years away from what other tests may leave in the stack that all of them share.
OLD = Window(datetime(2003, 3, 1, tzinfo=UTC), datetime(2003, 3, 3, tzinfo=UTC))
SHIFT = 7_700_000


@pytest.fixture(scope="module")
def both(stack):
    """2,600 events of two old days in the shared stack, and a store of each kind over it."""
    made = world(2_600, seed=4, window=OLD)
    shifted = World(
        *(
            _shifted(table, names)
            for table, names in (
                (made.users, ("id",)),
                (made.videos, ("id", "creator_id")),
                (made.events, ("event_id", "video_id", "user_id")),
            )
        )
    )
    load(stack.settings, batch(shifted))
    with bulk_connection(stack.settings) as connection:
        yield ApiStore(pages.Pages(job_client(stack.settings))), BulkStore(connection)


def _shifted(table, names):
    for name in names:
        moved = pc.add(table[name], SHIFT)
        table = table.set_column(table.column_names.index(name), table.schema.field(name), moved)
    for name in ("is_creator", "likely_bot"):
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, pc.fill_null(table[name], False))
    return table


def ordered(table, key="id"):
    return table.sort_by(key)


@pytest.mark.parametrize("page_rows", [700, 1000, 5000])
def test_pages_read_every_row_whatever_the_servers_limit(both, monkeypatch, page_rows):
    """5,000 a page is more than the server gives: its pages are short, and that is no sign of the end."""
    monkeypatch.setattr(pages, "PAGE_ROWS", page_rows)
    api, bulk = both
    events = ordered(api.events(OLD), "event_id")
    assert events.num_rows == 2_600
    assert events.equals(ordered(bulk.events(OLD), "event_id"))


def test_both_ways_read_the_same_people_and_videos(both):
    api, bulk = both
    assert api.users().equals(bulk.users())
    assert api.videos().equals(bulk.videos())
    assert api.event_span() == bulk.event_span()


def test_scores_written_by_the_api_are_those_written_in_bulk(both):
    api, bulk = both
    day = OLD.days()[0]
    tables = (bulk.users(), bulk.videos(), bulk.events(day))
    scores = score(*tables, day, latest=latest_scores(bulk, tables[1], MODEL, day.start), with_quiet=False)
    found = Scored(day, MODEL, scores, {day: tables[2].num_rows})
    api.write(found)
    assert Mark(day, None) in api.marks(MODEL) == bulk.marks(MODEL)
    by_api = ordered(bulk.earlier_scores(MODEL, day.end), "video_id")
    assert by_api["eis"].to_pylist() == scores["eis"].to_pylist()
    assert ordered(api.earlier_scores(MODEL, day.end), "video_id")["eis"].to_pylist() == scores["eis"].to_pylist()
    before = bulk.videos()
    bulk.write(found)
    assert bulk.videos().equals(before)
    with_scores = before.filter(pc.equal(before["eis_model"], MODEL))
    assert set(scores["video_id"].to_pylist()) <= set(with_scores["id"].to_pylist())


def test_an_api_that_is_away_is_one_sentence(stack):
    away = replace_url(stack.settings)
    with pytest.raises(StackError, match="does not answer"):
        pages.Pages(job_client(away)).extreme("event", "ts", largest=True)


def test_an_api_that_refuses_is_one_sentence(both):
    api, _ = both
    with pytest.raises(StackError, match="refused no_such_table"):
        api._pages.extreme("no_such_table", "ts", largest=True)


def replace_url(settings):
    return settings.model_copy(update={"supabase_url": "http://127.0.0.1:9"})
