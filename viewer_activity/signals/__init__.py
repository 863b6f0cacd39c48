"""The signal families: one SQL definition each, run once for all videos and days of a window."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from bot_account_detection import viewer_trust
from core.tables import EVENT_TYPES
from core.timewindows import Window, to_us

FOLDER = Path(__file__).parent
DAY_US = 86_400 * 10**6
#: In the order of their needs.
FAMILIES = (
    "video_index",
    "counted_events",
    "window_events",
    "audience",
    "vouching",
    "viewer_trust",
    "trust",
    "placed",
    "liking",
    "early",
)


def sql(name: str) -> str:
    """The text of a family's definition."""
    path = viewer_trust.SQL if name == "viewer_trust" else FOLDER / f"{name}.sql"
    return path.read_text(encoding="utf-8")


def video_days(
    con: duckdb.DuckDBPyConnection,
    window: Window,
    *,
    early_us: int,
    as_of: datetime | None = None,
    with_quiet: bool = False,
) -> pa.Table:
    """Every figure of every video on every day of `window`, ordered by day and video.

    `con` holds the relations `users`, `videos` and `events` (columns of core.tables). Ages are taken at `as_of`,
    by default at each day's end. `early_us` is how long after the upload a view is an early one.
    `with_quiet` lists videos without any event once, on the last day. The number of statements depends neither
    on the number of videos nor on the number of days.
    """
    set_up(con, window, as_of)
    parameters: dict[str, dict[str, Any]] = {
        "placed": {"early_us": early_us},
        "viewer_trust": dict(viewer_trust.RULE.parameters()),
    }
    for family in FAMILIES:
        con.execute(sql(family), parameters.get(family))
    return con.sql(sql("video_days"), params={"with_quiet": with_quiet}).to_arrow_table()


def set_up(con: duckdb.DuckDBPyConnection, window: Window, as_of: datetime | None) -> None:
    """The variables, the type of events and the relation window_days(day, start_us, end_us, as_of_us)."""
    first = window.start_us // DAY_US * DAY_US
    days = window.days()
    table = pa.table(
        {
            "day": pa.array([(day.start_us - first) // DAY_US for day in days], pa.int64()),
            "start_us": pa.array([day.start_us for day in days], pa.int64()),
            "end_us": pa.array([day.end_us for day in days], pa.int64()),
            "as_of_us": pa.array([to_us(as_of) if as_of else day.end_us for day in days], pa.int64()),
        }
    )
    con.register("window_days", table)
    kinds = ", ".join(f"'{kind}'" for kind in EVENT_TYPES)
    con.execute("drop type if exists event_kind cascade")
    con.execute(f"create temp type event_kind as enum ({kinds})")
    con.execute(f"set variable start_us = {window.start_us}")
    con.execute(f"set variable end_us = {window.end_us}")
    con.execute(f"set variable first_midnight_us = {first}")
    # At least 1, for it divides.
    con.execute("set variable videos = (select greatest(1, count(*)) from videos)")
