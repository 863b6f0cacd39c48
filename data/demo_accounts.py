"""The demo's log-ins, one for each role, and a few counts of what the window holds."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from core.errors import ConfigError
from core.settings import Settings
from core.timewindows import Window
from data.accounts import ensure_account
from supabase_conn import sql_connection

VIEWER, CREATOR = "viewer@example.com", "creator@example.com"
REVIEWER, ADMIN = "reviewer@example.com", "admin@example.com"
LOG_INS = {"viewer": VIEWER, "creator": CREATOR, "reviewer": REVIEWER, "admin": ADMIN}


@dataclass(frozen=True, slots=True)
class WindowEvents:
    """Events of a window: all, and those of creators on their own videos, which never count."""

    total: int
    own: int


def staff(settings: Settings, password: str) -> None:
    """A viewer, a reviewer and an admin that can sign in; made once."""
    ensure_account(settings, VIEWER, password=password)
    ids = {
        role: ensure_account(settings, email, password=password).user_id
        for role, email in (("reviewer", REVIEWER), ("admin", ADMIN))
    }
    with database(settings) as connection:
        for role, user_id in ids.items():
            connection.execute(
                "insert into public.staff (user_id, role) values (%s, %s) on conflict do nothing", (user_id, role)
            )


def lend_creator(settings: Settings, password: str) -> None:
    """Lets the demo's creator sign in as the imported creator with the most events."""
    account = ensure_account(settings, CREATOR, password=password)
    with database(settings) as connection:
        row = connection.execute(
            "select v.creator_id from public.event e join public.videos v on v.id = e.video_id"
            " group by 1 order by count(*) desc, 1 limit 1"
        ).fetchone()
        if row is None or row[0] == account.user_id:
            return
        sign_in = connection.execute("select auth_id from public.users where id = %s", (account.user_id,)).fetchone()
        assert sign_in is not None
        # A log-in belongs to one account: it leaves the empty one before it joins the imported one.
        connection.execute("update public.users set auth_id = null where id = %s", (account.user_id,))
        connection.execute(
            "update public.users set auth_id = %s, is_creator = true where id = %s", (sign_in[0], row[0])
        )


def count_events(settings: Settings, window: Window) -> WindowEvents:
    """Counts the events of `window` in the database."""
    with database(settings) as connection:
        row = connection.execute(
            "select count(*), count(*) filter (where v.creator_id = e.user_id) from public.event e"
            " join public.videos v on v.id = e.video_id where e.ts >= %s and e.ts < %s",
            (window.start, window.end),
        ).fetchone()
    assert row is not None
    return WindowEvents(*row)


@dataclass(frozen=True, slots=True)
class Discount:
    """What did not count for one reason in a window, over all videos."""

    code: str
    videos: int
    events: int
    units: float


def discounts(settings: Settings, window: Window, model: str) -> list[Discount]:
    """From the explanations of `window`: what counted less or not at all, the most units first."""
    query = """
        select g ->> 'code', count(*), sum(events)::bigint, sum((g ->> 'units')::numeric - (g ->> 'counted')::numeric)
        from public.video_explanations x
        cross join jsonb_array_elements(x.groups) g
        cross join lateral (
            select coalesce(sum(n.value::bigint), 0) as events from jsonb_each_text(g) n
            where n.key in ('views', 'likes', 'comments', 'shares', 'follows')) e
        where x.window_start = %s and x.window_end = %s and x.model = %s
            and g ->> 'code' not in ('counted', 'reports', 'own_event')
        group by 1 order by 4 desc, 1
    """
    with database(settings) as connection:
        rows = connection.execute(query, (window.start, window.end, model)).fetchall()
    return [Discount(code, videos, events, float(units)) for code, videos, events, units in rows]


def database(settings: Settings) -> psycopg.Connection:
    """The local stack's database. Raises ConfigError."""
    connection = sql_connection(settings)
    if connection is None:
        raise ConfigError("the demo needs the local stack's database address; start it with ./run stack up")
    return connection
