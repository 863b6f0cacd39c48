"""The only way in and out for scoring: users, videos, events and scores as Arrow tables.

Where `SUPABASE_DB_URL` is known, tables travel by ADBC and a day's scores are one transaction. Elsewhere the data API
serves: reads page by key, and the mark that a day is scored is written last, so that a day that was cut short is
scored again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi as adbc

from core.errors import StackError
from core.settings import Settings
from core.tables import EVENTS, USERS, VIDEOS
from core.timewindows import Window, parse_utc
from supabase_conn import bulk_connection, bulk_refusals, job_client
from viewer_activity.creators import LatestScores
from viewer_activity.pages import Pages

TIME = pa.timestamp("us", "UTC")
VIDEO_SCHEMA = VIDEOS.schema.append(pa.field("eis_model", pa.string()))
SCORE_COLUMNS = (
    "video_id", "window_start", "window_end", "model", "features", "comment_quality", "like_integrity",
    "report_credibility", "authentic_engagement", "eis", "counted_share", "views", "likes", "comments", "shares",
    "follows", "reports", "pauses", "active_viewers", "eng_units", "early_boost",
)  # fmt: skip
KEY = ("video_id", "window_start", "window_end", "model")


@dataclass(frozen=True, slots=True)
class DayScores:
    """What is kept of one scored day. `scores` has SCORE_COLUMNS, `events` counts the day's rows."""

    day: Window
    model: str
    scores: pa.Table
    events: int


class Store(Protocol):
    """Reads and writes of scoring; both kinds below do the same."""

    def users(self) -> pa.Table:
        """Every user, ordered by id, with the columns of `core.tables.USERS`."""

    def videos(self) -> pa.Table:
        """Every video, ordered by id, with the columns of `core.tables.VIDEOS` and eis_model."""

    def events(self, window: Window) -> pa.Table:
        """The events of `window` with the columns of `core.tables.EVENTS`, in no order."""

    def event_span(self) -> tuple[datetime, datetime] | None:
        """The times of the first and the last event; None without any."""

    def scored_days(self, model: str) -> set[Window]:
        """The windows whose scores under `model` are complete."""

    def earlier_scores(self, model: str, before: datetime) -> pa.Table:
        """The latest score of each video in a window that ended by `before`: video_id, eis, window_end."""

    def write_day(self, day: DayScores) -> None:
        """Keeps a day's scores and its mark, and brings `videos.eis_current` up to it; again changes nothing."""


@contextmanager
def open_store(settings: Settings) -> Iterator[Store]:
    """The quickest way that the settings allow. Raises ConfigError or StackError with one sentence."""
    connection = bulk_connection(settings)
    if connection is None:
        yield ApiStore(Pages(job_client(settings)))
        return
    with connection, bulk_refusals(lambda reason: StackError(f"the database refused: {reason}")):
        yield BulkStore(connection)


def read_events(settings: Settings, window: Window) -> pa.Table:
    """The events of `window`; see Store.events."""
    with open_store(settings) as store:
        return store.events(window)


def latest_scores(store: Store, videos: pa.Table, model: str, before: datetime) -> LatestScores:
    """Each video's latest score as it stood at `before`.

    Kept scores of earlier windows come first; `eis_current` serves where a video has none, unless another model
    wrote it or it is of a later time.
    """
    other = pc.fill_null(pc.not_equal(videos["eis_model"], model), False)
    own = pc.if_else(other, pa.scalar(None, pa.float64()), videos["eis_current"])
    latest = LatestScores.of_videos(videos.set_column(videos.column_names.index("eis_current"), "eis_current", own))
    kept = store.earlier_scores(model, before)
    ends = kept["window_end"].cast(TIME).cast(pa.int64()).to_numpy()
    latest.update(kept["video_id"].to_numpy(), kept["eis"].to_numpy(), ends)
    return latest


class BulkStore:
    """Straight to Postgres, tables as Arrow."""

    def __init__(self, connection: adbc.Connection) -> None:
        self._connection = connection

    def users(self) -> pa.Table:
        columns = ", ".join(USERS.schema.names)
        return self._read(f"select {columns} from public.users order by id").cast(USERS.schema)  # noqa: S608 fixed names

    def videos(self) -> pa.Table:
        columns = ", ".join(VIDEO_SCHEMA.names)
        return self._read(f"select {columns} from public.videos order by id").cast(VIDEO_SCHEMA)  # noqa: S608

    def events(self, window: Window) -> pa.Table:
        columns = ", ".join(EVENTS.schema.names)
        where = f"ts >= {_literal(window.start)} and ts < {_literal(window.end)}"
        # Without parameters the driver reads by COPY, several times as fast; the times are no one's words.
        return self._read(f"select {columns} from public.event where {where}").cast(EVENTS.schema)  # noqa: S608

    def event_span(self) -> tuple[datetime, datetime] | None:
        row = self._read("select min(ts) as first, max(ts) as last from public.event").to_pylist()[0]
        return None if row["first"] is None else (row["first"], row["last"])

    def scored_days(self, model: str) -> set[Window]:
        rows = self._read("select window_start, window_end, model from public.scored_days").to_pylist()
        return {Window(row["window_start"], row["window_end"]) for row in rows if row["model"] == model}

    def earlier_scores(self, model: str, before: datetime) -> pa.Table:
        which = f"model = {_word(model)} and window_end <= {_literal(before)} and eis is not null"
        columns = "distinct on (video_id) video_id, eis, window_end"
        order = "order by video_id, window_end desc"
        return self._read(f"select {columns} from public.video_aggregates where {which} {order}")  # noqa: S608

    def write_day(self, day: DayScores) -> None:
        with self._connection.cursor() as cursor:
            # Two runs at once would both score a day; the second waits and then changes nothing.
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('fairshare.score', 0))")
            cursor.adbc_ingest("scores_in", day.scores.select(SCORE_COLUMNS), mode="create", temporary=True)
            for statement in (_KEEP_SCORES, _BRING_UP_VIDEOS, _mark(day), "drop table scores_in"):
                cursor.execute(statement)
        self._connection.commit()

    def _read(self, query: str) -> pa.Table:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            table = cursor.fetch_arrow_table()
        # A finished read leaves no transaction open behind it.
        self._connection.rollback()
        return table


def _excluded(names: list[str], of: str) -> str:
    return ", ".join(f"{of}.{name}" for name in names)


_FIGURES = [name for name in SCORE_COLUMNS if name not in KEY]
_KEEP_SCORES = f"""
insert into public.video_aggregates as kept ({", ".join(SCORE_COLUMNS)})
select {", ".join("features::jsonb" if name == "features" else name for name in SCORE_COLUMNS)} from scores_in
on conflict ({", ".join(KEY)}) do update
set {", ".join(f"{name} = excluded.{name}" for name in _FIGURES)}, computed_at = now()
where ({_excluded(_FIGURES, "kept")}) is distinct from ({_excluded(_FIGURES, "excluded")})
"""  # noqa: S608  fixed column names
_BRING_UP_VIDEOS = """
update public.videos as v
set eis_current = s.eis, eis_updated_at = s.window_end, eis_model = s.model
from scores_in as s
where v.id = s.video_id
  and (v.eis_updated_at is null or v.eis_updated_at <= s.window_end)
  and (v.eis_current, v.eis_updated_at, v.eis_model) is distinct from (s.eis, s.window_end, s.model)
"""


def _mark(day: DayScores) -> str:
    start, end, model = _literal(day.day.start), _literal(day.day.end), _word(day.model)
    return f"""
insert into public.scored_days (window_start, window_end, model, videos, events)
values ({start}, {end}, {model}, {day.scores.num_rows}, {day.events})
on conflict (window_start, window_end, model) do update
set videos = excluded.videos, events = excluded.events, scored_at = now()
where (scored_days.videos, scored_days.events) is distinct from (excluded.videos, excluded.events)
"""  # noqa: S608  times, numbers and a quoted word


class ApiStore:
    """Through the data API with the secret key, page by page."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def users(self) -> pa.Table:
        return self._pages.table("users", USERS.schema, key="id")

    def videos(self) -> pa.Table:
        return self._pages.table("videos", VIDEO_SCHEMA, key="id")

    def events(self, window: Window) -> pa.Table:
        # Day by day, so that the pages of one day read one partition.
        days = [self._pages.table("event", EVENTS.schema, key="event_id", time=("ts", day)) for day in window.days()]
        return pa.concat_tables(days)

    def event_span(self) -> tuple[datetime, datetime] | None:
        first, last = (self._pages.extreme("event", "ts", largest=largest) for largest in (False, True))
        return None if first is None or last is None else (parse_utc(first), parse_utc(last))

    def scored_days(self, model: str) -> set[Window]:
        rows = self._pages.few("scored_days", "window_start, window_end", model=model, order="window_start")
        return {Window(parse_utc(row["window_start"]), parse_utc(row["window_end"])) for row in rows}

    def earlier_scores(self, model: str, before: datetime) -> pa.Table:
        schema = pa.schema([("id", pa.int64()), ("video_id", pa.int64()), ("eis", pa.float64()), ("window_end", TIME)])
        table = self._pages.table("video_aggregates", schema, key="id", until=("window_end", before), model=model)
        table = table.filter(pc.is_valid(table["eis"]))
        order = pc.sort_indices(table, [("video_id", "ascending"), ("window_end", "descending")])
        ranked = table.take(order)
        ids = ranked["video_id"].to_numpy()
        return ranked.filter(pa.array(np.diff(ids, prepend=ids[0] - 1 if len(ids) else 0) != 0))

    def write_day(self, day: DayScores) -> None:
        rows = [_json_row(row) for row in day.scores.select(SCORE_COLUMNS).to_pylist()]
        self._pages.upsert("video_aggregates", rows, key=KEY)
        self._pages.call("refresh_current_eis", {"p_model": day.model})
        mark = {
            "window_start": day.day.start.isoformat(),
            "window_end": day.day.end.isoformat(),
            "model": day.model,
            "videos": day.scores.num_rows,
            "events": day.events,
        }
        self._pages.upsert("scored_days", [mark], key=("window_start", "window_end", "model"))


def _json_row(row: dict[str, Any]) -> dict[str, Any]:
    times = {name: row[name].isoformat() for name in ("window_start", "window_end")}
    return row | times | {"features": json.loads(row["features"])}


def _literal(moment: datetime) -> str:
    return f"'{moment.isoformat()}'::timestamptz"


def _word(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
