"""A small week in the test stack: creators with videos, viewers with events, so that pages have something to show."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from core.timewindows import Window
from revenue_split import reversal, windows
from revenue_split.policy import DEFAULT_POLICY, PoolInputs, policy_named
from viewer_activity.score import score_days

DAYS = 7


def last_days(days: int = DAYS) -> Window:
    """Whole UTC days that end with the last midnight."""
    end = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return Window(end - timedelta(days=days), end)


def make_viewers(stack: Any, count: int) -> list[int]:
    """Accounts without a log-in, as an import makes them; 200 days old."""
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        query = """
            insert into public.users (created_at, viewer_trust_score)
            select now() - interval '200 days', 80 from generate_series(1, %s) returning id
        """
        return [row[0] for row in sql.execute(query, [count]).fetchall()]


def make_video(stack: Any, creator_id: int, title: str, *, window: Window) -> int:
    """A published video from a day before the window."""
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        row = sql.execute(
            "insert into public.videos (creator_id, title, duration_s, created_at)"
            " values (%s, %s, 20, %s) returning id",
            [creator_id, title, window.start - timedelta(days=1)],
        ).fetchone()
    assert row is not None
    return int(row[0])


def make_events(stack: Any, video_id: int, viewers: list[int], *, window: Window, seed: int) -> int:
    """Each viewer watches on each day at a seeded time; one in five likes, one in twelve comments. Returns the rows."""
    chance = random.Random(seed)
    rows = []
    for day in window.days():
        for viewer in viewers:
            at = day.start + timedelta(seconds=chance.randrange(86_000))
            origin = (f"device-{viewer}", f"address-{viewer % 40}")
            rows.append((video_id, viewer, "view", at, *origin))
            if chance.random() < 0.2:
                rows.append((video_id, viewer, "like", at + timedelta(seconds=9), *origin))
            if chance.random() < 1 / 12:
                rows.append((video_id, viewer, "comment", at + timedelta(seconds=30), *origin))
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        sql.execute("select public.ensure_event_partitions(%s, %s)", [window.start.date(), window.end.date()])
        with sql.cursor().copy(
            "copy public.event (video_id, user_id, event_type, ts, device_id, ip_hash) from stdin"
        ) as copy:
            for row in rows:
                copy.write_row(row)
    return len(rows)


TITLES = (
    "Night market in ten bites",
    "Learning the cello at forty",
    "Why bridges hum",
    "One-pan dinner, no talking",
    "A week without a phone",
    "Repairing a 1962 radio",
)


def close_window(stack: Any, window: Window, *, gross_cents: int) -> dict[str, Any]:
    """Scores and closes a window as a job does."""
    score_days(stack.settings, window.days())
    policy = policy_named(DEFAULT_POLICY)
    figures = windows.preview(stack.settings, window, PoolInputs(gross_cents=gross_cents), policy)
    return windows.close(stack.settings, figures, f"world-{window.start:%Y%m%d}-{gross_cents}")


def populate(stack: Any, creators: list[int], *, videos: int = 4, viewers: int = 90, days: int = 14) -> Window:
    """Gives creators videos and two weeks of events, and scores every day. Returns the window."""
    window = last_days(days)
    watching = make_viewers(stack, viewers)
    for nth, creator in enumerate(creators):
        for at in range(videos):
            video = make_video(stack, creator, TITLES[(nth + at) % len(TITLES)], window=window)
            audience = watching[: max(5, viewers - 18 * at)]
            make_events(stack, video, audience, window=window, seed=100 * nth + at)
    score_days(stack.settings, window.days())
    return window


def take_back_windows(stack: Any, within: Window) -> None:
    """Reverses what other tests have closed of these days."""
    with psycopg.connect(stack.db_url) as sql:
        found = sql.execute(
            "select id from public.revenue_windows where status = 'closed' and window_start < %s and window_end > %s",
            (within.end, within.start),
        ).fetchall()
    for (number,) in found:
        reversal.reverse(stack.settings, number, "room for the next test", f"room-{number}")
