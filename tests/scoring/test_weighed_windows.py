"""fairshare_v1 in the database: a window is weighed as one, closed on what was kept, and then final."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from benchmarks.worlds import WEEK, World, world
from core.engine import connect
from core.errors import BadInput, StackError
from core.settings import Settings
from core.timewindows import Window
from data.load import Batch, load
from revenue_split import windows
from revenue_split.allocation import split_window
from revenue_split.errors import DaysNotScored
from revenue_split.policy import FAIRSHARE_V1, PoolInputs
from supabase_conn import bulk_connection, job_client
from viewer_activity.gateway import ApiStore, BulkStore, Mark, Scored, Weighed, open_store, score_rows
from viewer_activity.kept_weights import kept_weights
from viewer_activity.model import score_window
from viewer_activity.pages import Pages
from viewer_activity.score import score_days, score_windows, weeks
from viewer_activity.upserts import SCORE_COLUMNS

MODEL = "fairshare_v1"
INPUTS = PoolInputs(gross_cents=5_000_000)
TABLES = (
    "video_aggregates", "scored_days", "viewer_weights", "video_explanations", "window_reasons", "viewer_clusters",
)  # fmt: skip
#: The last three days: what came before them is history.
LATE = Window(WEEK.start + timedelta(days=4), WEEK.end)


@pytest.fixture(scope="module")
def small():
    """A week of 12,000 events, every user's flags known."""
    made = world(12_000, seed=22)
    users = made.users
    for name in ("is_creator", "likely_bot"):
        users = users.set_column(users.column_names.index(name), name, pc.fill_null(users[name], False))
    return World(users, made.videos, made.events)


@pytest.fixture
def settings(sql_db_url, small):
    """A fresh database with the week in it, and no API."""
    found = Settings(
        supabase_url="http://127.0.0.1:9", supabase_publishable_key="sb_publishable_none", supabase_db_url=sql_db_url
    )
    load(found, Batch({"users": small.users, "videos": small.videos, "events": small.events}))
    return found


def from_files(small, window):
    """Scores and kept weights of the same rows without a database."""
    with connect() as con:
        for name, table in (("users", small.users), ("videos", small.videos), ("events", small.events)):
            con.register(name, table)
        found = score_window(con, MODEL, window, seen=window, videos=small.videos)
        weights, acts, _ = found.in_process()
        return found.days, kept_weights(con, weights, acts.log.users())


def rows(settings, query, *parameters):
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as connection:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description else []


def everything(settings):
    return [rows(settings, f"select * from {table} order by 1, 2, 3, 4") for table in TABLES]


@pytest.mark.parametrize("window", [WEEK, LATE], ids=["all", "with history"])
def test_a_window_pays_what_a_split_of_files_pays(settings, small, window):
    score_windows(settings, [window])
    figures = windows.preview(settings, window, INPUTS, FAIRSHARE_V1)
    assert figures.result.pool_cents > 0
    scores, _ = from_files(small, window)
    files = split_window(
        policy=FAIRSHARE_V1,
        window=window,
        pool_cents=figures.result.pool_cents,
        scores=scores,
        videos=small.videos,
        creators=small.users,
    )
    assert figures.result.creators.equals(files.creators)
    assert figures.result.videos.equals(files.videos)


def test_scores_and_weights_are_kept_to_the_last_bit(settings, small):
    score_windows(settings, [LATE])
    scores, weights = from_files(small, LATE)
    plain = [name for name in SCORE_COLUMNS if name not in ("features", "window_start", "window_end")]
    kept = rows(settings, f"select {', '.join(plain)} from video_aggregates order by window_start, video_id")
    assert [tuple(row[name] for name in plain) for row in score_rows(scores).to_pylist()] == kept
    found = rows(settings, "select user_id, weight, cluster_id, reasons, factors from viewer_weights order by 1")
    assert [row[:4] for row in found] == [
        (row["user_id"], row["weight"], row["cluster_id"], row["reasons"]) for row in weights.to_pylist()
    ]
    acted = {row["user_id"] for row in small.events.to_pylist() if LATE.start <= row["ts"] < LATE.end}
    assert {row[0] for row in found} <= acted
    families = {"tier", "device", "together", "lockstep", "one_shot", "crowd", "concentration", "circle"}
    assert all(set(factors) <= families and all(f < 1 for f in factors.values()) for *_, factors in found)


def test_scoring_twice_changes_nothing_even_when_asked_to(settings):
    assert all(day.scored for day in score_windows(settings, [WEEK]))
    before = everything(settings)
    assert not any(day.scored for day in score_windows(settings, [WEEK]))
    assert all(day.scored for day in score_windows(settings, [WEEK], again=True))
    assert everything(settings) == before


def test_a_window_whose_days_were_weighed_apart_is_not_closed(settings):
    for day in LATE.days():
        score_days(settings, [day])
    with pytest.raises(DaysNotScored, match=r"--from 2026-11-05 --to 2026-11-08 --model fairshare_v1") as refused:
        windows.preview(settings, LATE, INPUTS, FAIRSHARE_V1)
    assert len(refused.value.days) == len(LATE.days())
    score_days(settings, LATE.days())
    assert windows.preview(settings, LATE, INPUTS, FAIRSHARE_V1).result.pool_cents > 0
    # What weighed single days explains no score any more, and is gone.
    spans = rows(settings, "select distinct window_start, window_end from viewer_weights")
    assert [Window(*span) for span in spans] == [LATE]


def test_what_a_closed_window_was_paid_by_is_final(settings):
    score_windows(settings, [LATE])
    before = everything(settings)
    windows.close(settings, windows.preview(settings, LATE, INPUTS, FAIRSHARE_V1), "k")
    assert not any(day.scored for day in score_windows(settings, [LATE], again=True))
    with pytest.raises(BadInput, match="2026-11-05 belongs to a closed window"):
        score_windows(settings, [WEEK])
    assert everything(settings) == before
    # A bonus over other days of the same window stands on the same scores.
    part = Window(LATE.start, LATE.end - timedelta(days=1))
    assert windows.preview(settings, part, INPUTS, FAIRSHARE_V1, kind="bonus").result.pool_cents > 0
    # A reversal opens them again.
    rows(settings, "update revenue_windows set status = 'reversed'")
    assert all(day.scored for day in score_windows(settings, [WEEK]))


CHANGES = {
    "insert into video_aggregates": "insert into video_aggregates (video_id, window_start, window_end, model)"
    " select video_id, window_start, window_start + interval '1 hour', model from video_aggregates limit 1",
    "update video_aggregates": "update video_aggregates set eis = 1 where id = (select min(id) from video_aggregates)",
    "delete from video_aggregates": "delete from video_aggregates",
    "insert into viewer_weights": "insert into viewer_weights select window_start, window_end, model, -1, 1"
    " from viewer_weights limit 1",
    "update viewer_weights": "update viewer_weights set weight = 1",
    "delete from viewer_weights": "delete from viewer_weights",
    "update video_explanations": "update video_explanations set groups = '[]'",
    "delete from video_explanations": "delete from video_explanations",
    "update window_reasons": "update window_reasons set counted_micro = 0",
    "delete from window_reasons": "delete from window_reasons",
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_database_itself_keeps_final_scores(settings, change):
    """And without its triggers it does not: the guard is what refuses."""
    score_windows(settings, [LATE])
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as db:
        db.execute(CHANGES[change])
        db.rollback()
    windows.close(settings, windows.preview(settings, LATE, INPUTS, FAIRSHARE_V1), "k")
    before = everything(settings)
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as db:
        with pytest.raises(psycopg.Error) as refused:
            db.execute(CHANGES[change])
        assert refused.value.sqlstate == "22Z60"
    assert everything(settings) == before
    table = change.split()[-1]
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as db:
        db.execute(f"alter table {table} disable trigger user")
        db.execute(CHANGES[change])
        db.rollback()


def test_a_window_is_kept_as_a_whole_or_not_at_all(settings, small):
    scores, weights = from_files(small, LATE)
    broken = weights.set_column(1, "weight", pa.array([2.0] * weights.num_rows))
    nothing = pa.table({"video_id": pa.array([], pa.int64())})
    days = dict.fromkeys(LATE.days(), 1)
    with pytest.raises(StackError, match="the database refused"), open_store(settings) as store:
        store.write(Scored(LATE, MODEL, scores, days, Weighed(broken, nothing, nothing, nothing)))
    assert not any(everything(settings))


def test_videos_show_the_default_models_scores_whichever_was_scored_last(settings):
    score_windows(settings, [WEEK])
    shown = rows(settings, "select id, eis_current, eis_updated_at, eis_model from videos order by id")
    assert {model for *_, model in shown} <= {MODEL, None}
    score_days(settings, WEEK.days(), model="classic_v1")
    assert rows(settings, "select id, eis_current, eis_updated_at, eis_model from videos order by id") == shown


def test_the_default_models_scores_take_the_place_of_others(settings):
    score_days(settings, WEEK.days(), model="classic_v1")
    score_windows(settings, [LATE])
    models = dict(rows(settings, "select eis_model, count(*) from videos group by 1"))
    late = rows(settings, "select count(distinct video_id) from video_aggregates where model = %s", MODEL)[0][0]
    assert models[MODEL] == late


def test_days_that_wait_are_weighed_in_weeks_counted_back_from_the_last():
    days = Window(WEEK.start - timedelta(days=3), WEEK.end).days()
    gap = [day for day in days if day.start != WEEK.start - timedelta(days=2)]
    assert weeks(days) == [Window(days[0].start, WEEK.start), WEEK]
    assert weeks(gap) == [days[0], Window(days[2].start, WEEK.start), WEEK]


def test_the_data_api_keeps_what_the_database_keeps(stack):
    """Years away from what other tests may leave in the stack that all of them share."""
    span = Window(WEEK.start.replace(year=2004), WEEK.start.replace(year=2004) + timedelta(days=2))
    made = world(1_500, seed=5, window=span)
    moved = World(*(_renumbered(table, 7_900_000) for table in (made.users, made.videos, made.events)))
    load(stack.settings, Batch({"users": moved.users, "videos": moved.videos, "events": moved.events}))
    without_sql = stack.settings.model_copy(update={"supabase_db_url": None})
    score_windows(without_sql, [span])
    query = "select * from {} where window_start >= %s and window_end <= %s order by 1, 2, 3, 4"

    def kept():
        return [rows(stack.settings, query.format(table), span.start, span.end) for table in TABLES]

    by_api = kept()
    # Two thin days hold no cluster.
    assert all(by_api[:-1])
    score_windows(stack.settings, [span], again=True)
    assert kept() == by_api
    with bulk_connection(stack.settings) as connection:
        stores = (ApiStore(Pages(job_client(stack.settings))), BulkStore(connection))
        marks = [
            sorted((m for m in store.marks(MODEL) if m.day.start.year == 2004), key=lambda m: m.day.start)
            for store in stores
        ]
    assert marks[0] == marks[1] == [Mark(day, span) for day in span.days()]
    figures = [windows.preview(s, span, INPUTS, FAIRSHARE_V1) for s in (without_sql, stack.settings)]
    assert figures[0].result.videos.equals(figures[1].result.videos)
    assert figures[0].result.pool_cents == figures[1].result.pool_cents > 0
    with pytest.raises(DaysNotScored):
        windows.preview(without_sql, Window(span.start, span.end + timedelta(days=1)), INPUTS, FAIRSHARE_V1)


def _renumbered(table: pa.Table, by: int) -> pa.Table:
    for name in ("id", "creator_id", "event_id", "video_id", "user_id"):
        if name in table.column_names:
            at = table.column_names.index(name)
            table = table.set_column(at, table.schema.field(name), pc.add(table[name], by))
    for name in ("is_creator", "likely_bot"):
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, pc.fill_null(table[name], False))
    return table
