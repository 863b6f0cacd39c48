"""Reserves: released when their time has come, not a microsecond before, once, in UTC whatever the clocks do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from core.settings import Settings
from revenue_split import ledger_checks, reserves
from tests.db.world import World, acting_as, call_close, closing, one, people, post


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


@pytest.fixture(autouse=True)
def the_books_are_in_order_afterwards(sql_db: psycopg.Connection) -> Iterator[None]:
    yield
    assert [found for found in ledger_checks.check(sql_db) if found.rows] == []


def close(db: psycopg.Connection, world: World, *, hold_days: int = 0, day: int = 1, **cents: int) -> None:
    figures = closing(world, cents or {"owner": 5_000}, start=f"2026-01-{day:02}", end=f"2026-01-{day + 1:02}",
                      policy={"hold_days": hold_days})  # fmt: skip
    call_close(db, f"window {day}", figures)


def balance(db: psycopg.Connection, world: World, kind: str, name: str = "owner") -> int:
    return int(one(db, "select balance_cents(%s, %s, 'USD')", world.users[name], kind))


def release(db: psycopg.Connection, until: datetime | None = None) -> dict[str, Any]:
    answer: dict[str, Any] = one(db, "select release_due_reserves(500, %s)", until)
    return answer


def test_a_reserve_becomes_available_once(sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world)
    before = balance(sql_db, world, "creator_available")
    assert release(sql_db) == {"released": 1, "cents": 500}
    assert release(sql_db) == {"released": 0, "cents": 0}
    assert balance(sql_db, world, "creator_available") == before + 500
    assert balance(sql_db, world, "creator_reserve") == 0
    assert one(sql_db, "select released_at >= available_at from reserves") is True


@pytest.mark.parametrize(("microseconds", "count"), [(-1, 0), (0, 1), (1, 1)])
def test_to_the_microsecond(microseconds: int, count: int, sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world)
    due = one(sql_db, "select available_at from reserves")
    assert release(sql_db, due + timedelta(microseconds=microseconds))["released"] == count


def test_nobody_can_ask_ahead_of_the_databases_clock(sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world, hold_days=1)
    assert release(sql_db, datetime.now(UTC) + timedelta(days=400))["released"] == 0
    # Not past the function either: the row refuses a release before its time.
    with pytest.raises(psycopg.errors.CheckViolation):
        sql_db.execute(
            "update reserves set released_at = available_at - interval '1 microsecond', release_transaction_id = 1"
        )


def days_over_a_clock_change(zone: str) -> int:
    """How many days from now on until the offset of the zone differs from today's."""
    now = datetime.now(UTC)
    here = now.astimezone(ZoneInfo(zone)).utcoffset()
    later = (now + timedelta(days=days) for days in range(1, 366))
    return next((moment - now).days for moment in later if moment.astimezone(ZoneInfo(zone)).utcoffset() != here)


def test_a_clock_change_does_not_move_the_day(sql_db: psycopg.Connection, world: World) -> None:
    """`interval '30 days'` is not 720 hours across a clock change: in New York it would be an hour off."""
    zone = "America/New_York"
    sql_db.execute(f"set timezone = '{zone}'")
    days = days_over_a_clock_change(zone) + 1
    close(sql_db, world, hold_days=days)
    found = sql_db.execute(
        "select extract(epoch from r.available_at - w.closed_at), "
        "extract(epoch from (w.closed_at + make_interval(days => %s)) - w.closed_at) "
        "from reserves r join revenue_windows w on w.id = r.revenue_window_id",
        (days,),
    ).fetchone()
    assert found is not None
    assert found[0] == days * 86_400
    assert abs(found[1] - days * 86_400) == 3_600  # what the calendar would have made of it


def test_what_is_owed_is_filled_first(sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world)
    owner = world.users["owner"]
    available = balance(sql_db, world, "creator_available")
    post(sql_db, "debt", ("creator_receivable", owner, -200), ("platform_revenue", None, 200))
    release(sql_db)
    assert balance(sql_db, world, "creator_receivable") == 0
    assert balance(sql_db, world, "creator_available") == available + 500 - 200


def test_two_reserves_of_one_creator_fill_a_debt_between_them(sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world, day=1)
    close(sql_db, world, day=2)
    available = balance(sql_db, world, "creator_available")
    owed = (("creator_receivable", world.users["owner"], -700), ("platform_revenue", None, 700))
    post(sql_db, "debt", *owed)
    assert release(sql_db) == {"released": 2, "cents": 1_000}
    assert balance(sql_db, world, "creator_receivable") == 0
    assert balance(sql_db, world, "creator_available") == available + 1_000 - 700


def test_the_reserve_of_a_reversed_window_is_not_released(sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world)
    entries = sql_db.execute(
        "select a.kind, a.user_id, -e.amount_cents from ledger_entries e join ledger_accounts a on a.id = e.account_id "
        "order by e.id desc"
    ).fetchall()
    first = one(sql_db, "select id from ledger_transactions")
    post(sql_db, "reversal", *entries, p_reverses=first)
    sql_db.execute("update revenue_windows set status = 'reversed'")
    assert release(sql_db)["released"] == 0


def test_only_a_job_releases(sql_db: psycopg.Connection, world: World) -> None:
    close(sql_db, world)
    for actor in ("anon", "owner", "reviewer", "admin"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            release(sql_db)
    with acting_as(sql_db, "service_role", world):
        assert release(sql_db)["released"] == 1


def test_many_jobs_at_once_release_each_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    for day in range(1, 21):
        close(sql_db, world, day=day, owner=5_000, other=5_000)
    counts: list[int] = []

    def run() -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            while done := one(db, "select release_due_reserves(3)")["released"]:
                counts.append(done)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(counts) == 40
    assert balance(sql_db, world, "creator_reserve") == 0


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_the_command_releases_all_in_batches_and_is_safe_to_run_twice(
    batch: int, sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    close(sql_db, world, day=1, owner=5_000, other=3_000)
    close(sql_db, world, day=2, hold_days=30)
    settings = Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="x", supabase_db_url=sql_db_url)
    assert reserves.release_due(settings, batch=batch) == reserves.Released(2, 800)
    assert reserves.release_due(settings, batch=batch) == reserves.Released(0, 0)
    assert balance(sql_db, world, "creator_reserve") == 500


def test_balances_can_be_asked_for_at_any_time(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    moments = [datetime(2025, 12, 31, tzinfo=UTC)]
    for number in (1, 2):
        post(sql_db, f"k{number}", ("platform_revenue", None, -100), ("creator_available", owner, 100))
        moments.append(one(sql_db, "select max(created_at) from ledger_transactions"))
    sums = [
        one(sql_db, "select balance_cents from ledger_balances_at(%s) where user_id = %s", moment, owner) or 0
        for moment in moments
    ]
    assert sums == [0, 100, 200]
    by_event = "select sum(balance_cents) from ledger_balances_at(%s, 'happened') where user_id is not null"
    assert one(sql_db, by_event, datetime(2026, 1, 1, 23, tzinfo=UTC)) is None
    assert one(sql_db, by_event, datetime(2026, 1, 2, tzinfo=UTC)) == 200
    for actor, count in (("owner", 1), ("other", 0), ("admin", 2)):
        with acting_as(sql_db, actor, world):
            assert one(sql_db, "select count(*) from ledger_balances_at(now())") == count
