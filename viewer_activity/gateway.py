"""The only way in and out for scoring: users, videos, events, scores and weights as Arrow tables.

Where `SUPABASE_DB_URL` is known, tables travel by ADBC and what was scored together is one transaction. Elsewhere the
data API serves: reads page by key, and the marks that days are scored are written last, so that what was cut short is
scored again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
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
from core.tables import EVENTS, LABELS, USERS, VIDEOS
from core.timewindows import Window, parse_utc
from supabase_conn import bulk_connection, bulk_refusals, job_client
from viewer_activity import upserts
from viewer_activity.creators import LatestScores
from viewer_activity.pages import Pages
from viewer_activity.upserts import SCORE_COLUMNS, SCORE_KEY, literal, word

TIME = pa.timestamp("us", "UTC")
VIDEO_SCHEMA = VIDEOS.schema.append(pa.field("eis_model", pa.string()))
MARK_KEY = ("window_start", "window_end", "model")


@dataclass(frozen=True, slots=True)
class Mark:
    """A day whose scores are complete; `weighed` is the window over which its viewers were weighed, if they were.
    `is_stale`: a person decided about one of these viewers since.
    """

    day: Window
    weighed: Window | None
    is_stale: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """What is kept beside the scores of a window whose viewers were weighed: `weights` (user_id, weight, cluster_id,
    reasons, factors as JSON), `explanations` and `reasons` as `explanations.explain` gives them, `clusters` as
    `cluster_evidence`.
    """

    weights: pa.Table
    explanations: pa.Table
    reasons: pa.Table
    clusters: pa.Table

    def tables(self) -> dict[str, pa.Table]:
        """By the name of the table that keeps them."""
        return {
            "viewer_weights": self.weights,
            "video_explanations": self.explanations,
            "window_reasons": self.reasons,
            "viewer_clusters": self.clusters,
        }


@dataclass(frozen=True, slots=True)
class Scored:
    """What is kept of days that were scored together. `scores` has SCORE_COLUMNS; `events` counts each day's rows;
    `weighed` is of the viewers of the whole `window`, None where the model weighs nobody. `leads`: videos show this
    model's scores, also over another's.
    """

    window: Window
    model: str
    scores: pa.Table
    events: Mapping[Window, int]
    weighed: Weighed | None = None
    leads: bool = False

    @property
    def weighed_over(self) -> Window | None:
        """The window of the weights, if there are any."""
        return None if self.weighed is None else self.window

    @property
    def kept_beside(self) -> dict[str, pa.Table]:
        """The tables beside the scores, by name."""
        return {} if self.weighed is None else self.weighed.tables()


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

    def labels(self) -> pa.Table:
        """What people decided about accounts, with the columns of `core.tables.LABELS`."""

    def marks(self, model: str) -> list[Mark]:
        """The days whose scores under `model` are complete."""

    def final_windows(self, model: str) -> list[Window]:
        """The closed windows that were paid by scores of `model`: what they hold is never scored again."""

    def earlier_scores(self, model: str, before: datetime) -> pa.Table:
        """The latest score of each video in a window that ended by `before`: video_id, eis, window_end."""

    def write(self, scored: Scored) -> None:
        """Keeps scores, weights and marks, and brings `videos.eis_current` up to them; again changes nothing."""


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


def score_rows(scores: pa.Table) -> pa.Table:
    """SCORE_COLUMNS as the database takes them: models that count everything have no counted units."""
    if "counted_units" not in scores.column_names:
        scores = scores.append_column("counted_units", pa.nulls(scores.num_rows, pa.float64()))
    early = scores["early_boost"]
    # From yes and no there is no straight way to a float.
    early = early.cast(pa.int8()).cast(pa.float64()) if pa.types.is_boolean(early.type) else early
    return scores.set_column(scores.column_names.index("early_boost"), "early_boost", early).select(SCORE_COLUMNS)


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
        where = f"ts >= {literal(window.start)} and ts < {literal(window.end)}"
        # Without parameters the driver reads by COPY, several times as fast; the times are no one's words.
        return self._read(f"select {columns} from public.event where {where}").cast(EVENTS.schema)  # noqa: S608

    def event_span(self) -> tuple[datetime, datetime] | None:
        row = self._read("select min(ts) as first, max(ts) as last from public.event").to_pylist()[0]
        return None if row["first"] is None else (row["first"], row["last"])

    def labels(self) -> pa.Table:
        columns = ", ".join(LABELS.schema.names)
        return self._read(f"select {columns} from public.labels_in_force order by user_id").cast(LABELS.schema)  # noqa: S608

    def marks(self, model: str) -> list[Mark]:
        columns = "window_start, window_end, weighed_start, weighed_end, is_stale"
        rows = self._read(f"select {columns} from public.scored_day_states where model = {word(model)}")  # noqa: S608
        return [_mark(row) for row in rows.to_pylist()]

    def final_windows(self, model: str) -> list[Window]:
        which = f"status = 'closed' and model = {word(model)}"
        rows = self._read(f"select window_start, window_end from public.revenue_windows where {which}")  # noqa: S608
        return [Window(row["window_start"], row["window_end"]) for row in rows.to_pylist()]

    def earlier_scores(self, model: str, before: datetime) -> pa.Table:
        which = f"model = {word(model)} and window_end <= {literal(before)} and eis is not null"
        columns = "distinct on (video_id) video_id, eis, window_end"
        order = "order by video_id, window_end desc"
        return self._read(f"select {columns} from public.video_aggregates where {which} {order}")  # noqa: S608

    def write(self, scored: Scored) -> None:
        statements = [upserts.KEEP_SCORES, upserts.BRING_UP_LEADING if scored.leads else upserts.BRING_UP]
        with self._connection.cursor() as cursor:
            # Two runs at once would both score a day; the second waits and then changes nothing.
            cursor.execute("select pg_advisory_xact_lock(hashtextextended('fairshare.score', 0))")
            cursor.adbc_ingest("scores_in", score_rows(scored.scores), mode="create", temporary=True)
            for name, table in scored.kept_beside.items():
                cursor.adbc_ingest(f"{name}_in", table, mode="create", temporary=True)
                statements += [*upserts.keep_beside(name, scored.window, scored.model), f"drop table {name}_in"]
            for day, events in scored.events.items():
                videos = _videos_of(scored.scores, day)
                statements.append(
                    upserts.mark(day, scored.model, videos=videos, events=events, weighed=scored.weighed_over)
                )
            statements += [upserts.forget_beside(name, scored.model) for name in scored.kept_beside]
            for statement in (*statements, "drop table scores_in"):
                cursor.execute(statement)
        self._connection.commit()

    def _read(self, query: str) -> pa.Table:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            table = cursor.fetch_arrow_table()
        # A finished read leaves no transaction open behind it.
        self._connection.rollback()
        return table


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

    def labels(self) -> pa.Table:
        return self._pages.table("labels_in_force", LABELS.schema, key="user_id")

    def marks(self, model: str) -> list[Mark]:
        columns = "window_start, window_end, weighed_start, weighed_end, is_stale"
        rows = self._pages.few("scored_day_states", columns, model=model, order="window_start")
        return [_mark({n: parse_utc(v) if isinstance(v, str) else v for n, v in row.items()}) for row in rows]

    def final_windows(self, model: str) -> list[Window]:
        rows = self._pages.few("revenue_windows", "window_start, window_end, status", model=model, order="id")
        closed = [row for row in rows if row["status"] == "closed"]
        return [Window(parse_utc(row["window_start"]), parse_utc(row["window_end"])) for row in closed]

    def earlier_scores(self, model: str, before: datetime) -> pa.Table:
        schema = pa.schema([("id", pa.int64()), ("video_id", pa.int64()), ("eis", pa.float64()), ("window_end", TIME)])
        table = self._pages.table("video_aggregates", schema, key="id", until=("window_end", before), model=model)
        table = table.filter(pc.is_valid(table["eis"]))
        order = pc.sort_indices(table, [("video_id", "ascending"), ("window_end", "descending")])
        ranked = table.take(order)
        ids = ranked["video_id"].to_numpy()
        return ranked.filter(pa.array(np.diff(ids, prepend=ids[0] - 1 if len(ids) else 0) != 0))

    def write(self, scored: Scored) -> None:
        if scored.weighed is not None:
            # Until the end these days are not scored: what is written here belongs together.
            for day in scored.events:
                self._pages.delete("scored_days", **_times(day), model=scored.model)
        rows = [_json_row(row, "features") for row in score_rows(scored.scores).to_pylist()]
        self._pages.upsert("video_aggregates", rows, key=SCORE_KEY)
        span = {"window_start": scored.window.start, "window_end": scored.window.end, "model": scored.model}
        for name, table in scored.kept_beside.items():
            self._pages.delete(name, **_times(scored.window), model=scored.model)
            rows = [_json_row(span | row, upserts.JSON_COLUMN.get(name)) for row in table.to_pylist()]
            self._pages.upsert(name, rows, key=upserts.BESIDE_KEY[name])
        self._pages.call("refresh_current_eis", {"p_model": scored.model, "p_over_others": scored.leads})
        weighed = scored.weighed_over
        marks = [
            {
                **_times(day),
                "model": scored.model,
                "videos": _videos_of(scored.scores, day),
                "events": events,
                "weighed_start": weighed and weighed.start.isoformat(),
                "weighed_end": weighed and weighed.end.isoformat(),
            }
            for day, events in scored.events.items()
        ]
        self._pages.upsert("scored_days", marks, key=MARK_KEY)


def _mark(row: Mapping[str, Any]) -> Mark:
    weighed = Window(row["weighed_start"], row["weighed_end"]) if row["weighed_start"] else None
    return Mark(Window(row["window_start"], row["window_end"]), weighed, row["is_stale"])


def _videos_of(scores: pa.Table, day: Window) -> int:
    return int(pc.sum(pc.equal(scores["window_start"].cast(TIME), pa.scalar(day.start, TIME))).as_py() or 0)


def _times(window: Window) -> dict[str, str]:
    return {"window_start": window.start.isoformat(), "window_end": window.end.isoformat()}


def _json_row(row: dict[str, Any], json_column: str | None) -> dict[str, Any]:
    times = {name: row[name].isoformat() for name in ("window_start", "window_end")}
    return row | times | ({json_column: json.loads(row[json_column])} if json_column else {})
