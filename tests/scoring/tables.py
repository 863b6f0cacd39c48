"""Small tables for the scoring tests, written the way they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb
import pyarrow as pa

from core.engine import connect
from core.tables import EVENTS, USERS, VIDEOS
from core.timewindows import Window
from viewer_activity import classic_v1
from viewer_activity.creators import LatestScores

DAY = Window(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
Rows = Sequence[Mapping[str, Any]]


def at(text: str) -> datetime:
    """`at("01 10:30")` is 10:30 UTC on the first of November 2026; also full ISO texts."""
    if text[2:3] == " ":
        day, _, clock = text.partition(" ")
        text = f"2026-11-{day}T{clock or '00:00'}"
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def users(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=USERS.schema)


def videos(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=VIDEOS.schema)


def events(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist([dict(row) for row in rows], schema=EVENTS.schema)


def event(user: int, kind: str, when: str = "01 12:00", video: int = 1, **more: Any) -> dict[str, Any]:
    return {"video_id": video, "user_id": user, "event_type": kind, "ts": at(when), **more}


def score(
    users: pa.Table,
    videos: pa.Table,
    events: pa.Table,
    window: Window = DAY,
    *,
    threads: int = 1,
    con: duckdb.DuckDBPyConnection | None = None,
    **options: Any,
) -> pa.Table:
    """classic_v1 over three tables, with every quiet video listed unless the options say otherwise."""
    with con or connect(threads=threads) as engine:
        for name, table in (("users", users), ("videos", videos), ("events", events)):
            engine.register(name, table)
        options = {"latest": LatestScores.of_videos(videos), "with_quiet": True} | options
        return classic_v1.score(engine, window, **options)


def one(table: pa.Table, video: int = 1) -> dict[str, Any]:
    """The only row of a video."""
    (row,) = [row for row in table.to_pylist() if row["video_id"] == video]
    return row
