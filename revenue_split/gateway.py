"""The only way in and out for revenue windows: kept scores, creators, carried balances, and the call that closes.

Where `SUPABASE_DB_URL` is known, tables travel by ADBC and the close is called over SQL; elsewhere both go through the
data API, page by key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_postgresql import dbapi as adbc

from core.errors import StackError
from core.settings import Settings
from core.timewindows import Window
from revenue_split import calls, reading
from revenue_split.calls import api_refusals
from supabase_conn import bulk_connection, bulk_refusals, job_client
from viewer_activity.pages import Pages

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_TIME = pa.timestamp("us", "UTC")
_SCORES = pa.schema(
    [
        ("id", pa.int64()),
        ("video_id", pa.int64()),
        ("window_start", _TIME),
        ("window_end", _TIME),
        ("eis", pa.float64()),
        ("eng_units", pa.float64()),
        ("counted_units", pa.float64()),
        ("early_boost", pa.float64()),
    ]
)
_VIDEOS = pa.schema([("id", pa.int64()), ("creator_id", pa.int64())])
_CREATORS = pa.schema(
    [
        ("id", pa.int64()),
        ("likely_bot", pa.bool_()),
        ("kyc_level", pa.int32()),
        ("creator_trust_score", pa.float64()),
    ]
)
_CARRIED = pa.schema([("id", pa.int64()), ("user_id", pa.int64()), ("balance_cents", pa.int64())])
_PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class WindowData:
    """What a window's split is computed from; the tables have the columns that `split_window` reads."""

    scores: pa.Table
    videos: pa.Table
    creators: pa.Table
    #: What is carried from earlier windows, by creator.
    carried_cents: dict[int, int]
    #: Days with events that nobody scored under the model, or not as a part of this window where that is needed.
    unscored: list[date]


@dataclass(frozen=True, slots=True)
class Request:
    """One close, as the database takes it."""

    idempotency_key: str
    window: dict[str, Any]
    shares: list[dict[str, Any]]
    allocations: list[dict[str, Any]]


def read_window(
    settings: Settings, window: Window, *, since: datetime, model: str, currency: str, as_one: bool
) -> WindowData:
    """Reads everything for `window`; scores reach back to `since`. `as_one`: a day is scored only if its viewers were
    weighed over this very window, or it was paid by its scores before. Raises ConfigError or StackError.
    """
    span = Window(min(since, window.start), window.end)
    connection = bulk_connection(settings)
    if connection is None:
        return _read_by_pages(job_client(settings), window, span, model, currency, as_one)
    with connection, bulk_refusals(lambda reason: StackError(f"the database refused: {reason}")):
        return _read_in_bulk(connection, window, span, model, currency, as_one)


def closed_window(settings: Settings, idempotency_key: str) -> dict[str, Any] | None:
    """The row of revenue_windows that this key closed, times as ISO text; None where there is none."""
    columns = (
        "id", "kind", "window_start", "window_end", "currency", "gross_cents", "taxes_cents", "store_fees_cents",
        "refunds_cents", "costs_cents", "given_pool_cents", "policy", "status", "result",
    )  # fmt: skip
    rows = reading.read(settings, "revenue_windows", columns, key="id", where={"idempotency_key": idempotency_key})
    return rows[0] if rows else None


def close_window(who: Settings | Client, request: Request) -> dict[str, Any]:
    """Closes as a job or as a signed-in admin; the database refuses everybody else."""
    answer = calls.call(
        who,
        "close_revenue_window",
        patient=True,
        p_idempotency_key=request.idempotency_key,
        p_window=request.window,
        p_shares=request.shares,
        p_allocations=request.allocations,
    )
    return dict(answer)


# -- reading ------------------------------------------------------------------------------------------------------


def _read_in_bulk(
    connection: adbc.Connection, window: Window, span: Window, model: str, currency: str, as_one: bool
) -> WindowData:
    start, end, since = (f"'{moment.isoformat()}'::timestamptz" for moment in (window.start, window.end, span.start))
    model_word, currency_word = (f"'{text.replace(chr(39), chr(39) * 2)}'" for text in (model, currency))

    def read(query: str, schema: pa.Schema) -> pa.Table:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table().cast(schema)

    # One snapshot for all reads, so that a posting in between can not part balances from scores.
    with connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
    scores = read(
        f"select {', '.join(_SCORES.names)} from public.video_aggregates "  # noqa: S608 fixed names, quoted words
        f"where window_start >= {since} and window_end <= {end} and model = {model_word} and eis is not null",
        _SCORES,
    )
    videos = read("select id, creator_id from public.videos", _VIDEOS)
    creators = read(
        "select id, likely_bot, kyc_level::int4 as kyc_level, creator_trust_score from public.users u "
        "where exists (select from public.videos v where v.creator_id = u.id)",
        _CREATORS,
    )
    carried = read(
        "select id, user_id, balance_cents from public.ledger_accounts "  # noqa: S608 a quoted word
        f"where kind = 'creator_carried' and currency = {currency_word} and balance_cents <> 0",
        _CARRIED,
    )
    fits = f"s.weighed_start = {start} and s.weighed_end = {end} and not s.is_stale" if as_one else "true"
    final = (
        "exists (select from public.revenue_windows w where w.status = 'closed' and w.model = s.model "
        "and w.window_start <= s.window_start and s.window_end <= w.window_end)"
    )
    unscored = read(
        "select d::date as day from generate_series("  # noqa: S608 times and a quoted word
        f"{start}, {end} - interval '1 microsecond', interval '24 hours') d "
        "where exists (select from public.event e where e.ts >= d and e.ts < d + interval '24 hours') "
        "and not exists (select from public.scored_day_states s where s.window_start = d "
        f"and s.window_end = d + interval '24 hours' and s.model = {model_word} and ({fits} or {final})) order by 1",
        pa.schema([("day", pa.date32())]),
    )
    connection.rollback()
    return WindowData(scores, videos, creators, _by_user(carried), unscored["day"].to_pylist())


def _read_by_pages(client: Client, window: Window, span: Window, model: str, currency: str, as_one: bool) -> WindowData:
    pages = Pages(client)
    scores = pages.table("video_aggregates", _SCORES, key="id", time=("window_start", span), model=model)
    scores = scores.filter(pc.is_valid(scores["eis"]))
    videos = pages.table("videos", _VIDEOS, key="id")
    users = pages.table("users", _CREATORS, key="id")
    creators = users.filter(pc.is_in(users["id"], value_set=pc.unique(videos["creator_id"])))
    unscored = [
        day.start.date() for day in window.days() if _is_unscored(client, day, model, window if as_one else None)
    ]
    return WindowData(scores, videos, creators, _by_user(_carried_by_pages(client, currency)), unscored)


def _carried_by_pages(client: Client, currency: str) -> pa.Table:
    found: list[Mapping[str, Any]] = []
    while True:
        query = client.table("ledger_accounts").select("id, user_id, balance_cents")
        query = query.eq("kind", "creator_carried").eq("currency", currency).neq("balance_cents", 0)
        with api_refusals():
            rows: Any = query.gt("id", found[-1]["id"] if found else 0).order("id").limit(_PAGE_ROWS).execute().data
        if not rows:
            return pa.Table.from_pylist([dict(row) for row in found], schema=_CARRIED)
        found.extend(rows)


def _is_unscored(client: Client, day: Window, model: str, weighed_over: Window | None) -> bool:
    start, end = day.start.isoformat(), day.end.isoformat()
    with api_refusals():
        marks = client.table("scored_day_states").select("model").eq("model", model)
        marks = marks.eq("window_start", start).eq("window_end", end)
        if weighed_over is not None:
            over = (weighed_over.start.isoformat(), weighed_over.end.isoformat())
            marks = marks.eq("weighed_start", over[0]).eq("weighed_end", over[1]).eq("is_stale", False)
        if marks.execute().data:
            return False
        final = client.table("revenue_windows").select("id").eq("status", "closed").eq("model", model)
        if final.lte("window_start", start).gte("window_end", end).execute().data:
            return False
        events: Any = client.table("event").select("event_id").gte("ts", start).lt("ts", end).limit(1).execute().data
    return bool(events)


def _by_user(carried: pa.Table) -> dict[int, int]:
    return dict(zip(carried["user_id"].to_pylist(), carried["balance_cents"].to_pylist(), strict=True))
