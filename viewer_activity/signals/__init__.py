"""The signal families: one SQL definition each, run once for all videos and days of a window. What they find is
put side by side here, one row a video and day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from bot_account_detection import viewer_trust
from core.engine import Engine
from core.tables import EVENT_TYPES
from core.timewindows import DAY_US, Window, to_us

FOLDER = Path(__file__).parent
#: What the families read, in the order of their needs.
TABLES = ("video_index", "counted_events", "window_events")
#: One row a video and day that the family knows something of, in no order.
FAMILIES = ("counts", "viewers", "commenters", "viewer_trust", "devices", "addresses", "pace", "early")
#: Those that are asked day by day, in one statement.
BY_DAY = ("viewers",)


def sql(name: str) -> str:
    """The text of a definition."""
    path = viewer_trust.SQL if name == "viewer_trust" else FOLDER / f"{name}.sql"
    return path.read_text(encoding="utf-8")


def video_days(
    con: Engine,
    window: Window,
    *,
    early_us: int,
    as_of: datetime | None = None,
    with_quiet: bool = False,
) -> dict[str, np.ndarray]:
    """Every figure of every video on every day of `window`, ordered by day and video; not-a-number is unknown.

    `con` holds the relations `users`, `videos` and `events` (columns of core.tables). Ages are taken at `as_of`,
    by default at each day's end. `early_us` is how long after the upload a view is an early one.
    `with_quiet` lists videos without any event once, on the last day. The number of statements depends neither
    on the number of videos nor on the number of days.
    """
    days = set_up(con, window, as_of)
    con.execute(f"set variable early_us = {early_us}")
    for table in TABLES:
        con.execute(sql(table))
    videos = _columns(con.sql("from video_index order by position").to_arrow_table())
    count = max(1, len(videos["id"]))
    found = [con.sql(_of_days(family, len(days["day"]), count)).to_arrow_table() for family in FAMILIES]

    # Of day and position, as video_index.sql puts them together.
    video_day = np.sort(found[0]["video_day"].to_numpy())
    if with_quiet:
        last = len(days["day"]) - 1
        quiet = ~(videos["created_us"] >= days["end_us"][last])  # an unknown upload time is no later one
        quiet[video_day % count] = False
        video_day = np.sort(np.concatenate([video_day, last * count + np.flatnonzero(quiet)]))
    day, position = np.divmod(video_day, count)
    figures = {name: days[name][day] for name in ("start_us", "end_us", "as_of_us")}
    figures["video_id"] = videos["id"][position]
    figures |= {name: videos[name][position] for name in ("creator_id", "created_us", "duration_s")}
    for table in found:
        figures |= _at(video_day, table)
    return figures | _means(figures)


def _of_days(family: str, days: int, videos: int) -> str:
    """The statement of a family, for those of BY_DAY one part a day."""
    text = sql(family)
    if family not in BY_DAY:
        return text
    parts = (text.format(first=day * videos, last=(day + 1) * videos - 1) for day in range(days))
    return "union all\n".join(parts)


def _at(video_day: np.ndarray, table: pa.Table) -> dict[str, np.ndarray]:
    """A family's columns in the rows of `video_day`; elsewhere whole numbers are 0 and others not a number."""
    columns = _columns(table)
    rows = np.searchsorted(video_day, columns.pop("video_day"))
    placed = {}
    for name, values in columns.items():
        placed[name] = np.full(len(video_day), 0 if values.dtype.kind == "i" else np.nan, values.dtype)
        placed[name][rows] = values
    return placed


def _means(figures: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sums over counts; without anything to count the mean is unknown."""
    gaps = figures["gaps"].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Coefficient of variation = sqrt(spread / (n (n - 1))) / (sum / n).
        pace_cv = np.sqrt(figures["gap_spread"] / (gaps * (gaps - 1.0))) / (figures["gap_sum"] / gaps)
        return {
            "like_vts": figures["like_vts"] / figures["likes"],
            "comment_vts": figures["comment_vts"] / figures["comments"],
            "report_vts": figures["report_vts"] / figures["reports"],
            "users_per_device": figures["device_pairs"] / figures["devices"],
            "users_per_address": figures["address_pairs"] / figures["addresses"],
            "pace_cv": np.where(gaps >= 2, pace_cv, np.nan),
        }


def _columns(table: pa.Table) -> dict[str, np.ndarray]:
    return {name: table[name].to_numpy() for name in table.column_names}


def _days(window: Window, as_of: datetime | None) -> dict[str, np.ndarray]:
    """day, start_us, end_us and as_of_us of each day; days count from the window's first midnight."""
    days = window.days()
    ends = [day.end_us for day in days]
    return {
        "day": np.arange(len(days)),
        "start_us": np.array([day.start_us for day in days]),
        "end_us": np.array(ends),
        "as_of_us": np.array([to_us(as_of)] * len(days) if as_of else ends),
    }


def set_up(con: Engine, window: Window, as_of: datetime | None) -> dict[str, np.ndarray]:
    """Makes the variables, the macros kind(event_type) and vts(…) and the relation window_days; returns its columns."""
    days = _days(window, as_of)
    con.register("window_days", pa.table(dict(days)))
    # Numbers for the types, in a way that looks at the words of a file once and not at every row.
    kinds = ", ".join(f"'{kind}'" for kind in EVENT_TYPES)
    con.execute(f"create or replace temp macro kind(word) as list_position([{kinds}], word)::utinyint")
    con.execute(f"set variable start_us = {window.start_us}")
    con.execute(f"set variable end_us = {window.end_us}")
    con.execute(f"set variable first_midnight_us = {window.start_us // DAY_US * DAY_US}")
    # At least 1, for it divides.
    con.execute("set variable videos = (select greatest(1, count(*)) from videos)")
    con.execute(viewer_trust.macro())
    return days
