"""The signal families: one SQL definition each, run once for all videos and days of a window."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from bot_account_detection import viewer_trust
from core.tables import EVENT_TYPES
from core.timewindows import Window, to_us

FOLDER = Path(__file__).parent
DAY_US = 86_400 * 10**6
EARLY_US = 2 * 3_600 * 10**6
#: In the order of their needs; viewer_trust.sql stands between vouching and trust.
FAMILIES = ("window_events", "audience", "vouching", "viewer_trust", "trust", "likes", "early")


def sql(name: str) -> str:
    """The text of a family's definition."""
    path = viewer_trust.SQL if name == "viewer_trust" else FOLDER / f"{name}.sql"
    return path.read_text(encoding="utf-8")


def video_days(
    con: duckdb.DuckDBPyConnection, window: Window, *, as_of: datetime | None = None, with_quiet: bool = False
) -> pa.Table:
    """Every figure of every video on every day of `window`, ordered by day and video.

    `con` holds the relations `users`, `videos` and `events` (columns of core.tables). Ages are taken at `as_of`,
    by default at each day's end. `with_quiet` lists videos without any event once, on the last day. The number
    of statements depends neither on the number of videos nor on the number of days.
    """
    register_days(con, window, as_of)
    kinds = ", ".join(f"'{kind}'" for kind in EVENT_TYPES)
    con.execute("drop type if exists event_kind cascade")
    con.execute(f"create temp type event_kind as enum ({kinds})")
    parameters: Mapping[str, Mapping[str, object]] = {
        "window_events": {
            "start_us": window.start_us,
            "end_us": window.end_us,
            "first_midnight_us": first_midnight_us(window),
            "early_us": EARLY_US,
        },
        "viewer_trust": viewer_trust.RULE.parameters(),
    }
    for family in FAMILIES:
        con.execute(sql(family), parameters.get(family))
    return con.sql(sql("video_days"), params={"with_quiet": with_quiet}).to_arrow_table()


def first_midnight_us(window: Window) -> int:
    """The midnight (UTC) at or before the window's start; days count from it."""
    return window.start_us // DAY_US * DAY_US


def register_days(con: duckdb.DuckDBPyConnection, window: Window, as_of: datetime | None) -> None:
    """The relation window_days(day, start_us, end_us, as_of_us)."""
    first = first_midnight_us(window)
    days = window.days()
    table = pa.table(
        {
            "day": pa.array([(day.start_us - first) // DAY_US for day in days], pa.int32()),
            "start_us": pa.array([day.start_us for day in days], pa.int64()),
            "end_us": pa.array([day.end_us for day in days], pa.int64()),
            "as_of_us": pa.array([to_us(as_of) if as_of else day.end_us for day in days], pa.int64()),
        }
    )
    con.register("window_days", table)
