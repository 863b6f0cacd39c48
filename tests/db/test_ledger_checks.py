"""Every invariant holds after real closes and postings, and each one notices a row that breaks it."""

from __future__ import annotations

import psycopg
import pytest
from typer.testing import CliRunner

from core.settings import Settings
from revenue_split import ledger_checks
from tests.db.world import World, call_close, capped, closing, news, one, payout, people, post, request


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    """Two windows with carry and release, a released reserve, a bonus, a reversal, payouts of every end, a debt."""
    world = people(sql_db)
    owner = world.users["owner"]
    caps = capped(sql_db, world, owner=1_000, other=9_999)
    call_close(sql_db, "a", closing(world, {"owner": 1_000, "other": 9_999}, residual_cents=3, policy=caps))
    second = closing(world, {"owner": 1_000}, start="2026-01-08", end="2026-01-15", carried_before={"owner": 800})
    call_close(sql_db, "b", second)
    at_once = closing(world, {"owner": 9_000}, start="2026-01-20", end="2026-01-21", policy={"hold_days": 0})
    call_close(sql_db, "released", at_once)
    sql_db.execute("select release_due_reserves()")
    for end in ("transfer.paid", "transfer.returned", "transfer.failed"):
        news(sql_db, payout(sql_db, world, key=end), end, event_id=end)
    sql_db.execute("select cancel_payout(%s)", (request(sql_db, world, key="canceled")["payout_id"],))
    sql_db.execute("select place_payout_hold(%s, 'looked at')", (owner,))
    request(sql_db, world, key="held")
    call_close(sql_db, "empty", closing(world, {}, start="2026-01-15", end="2026-01-16"))
    bonus = post(sql_db, "c", ("platform_revenue", None, -50), ("creator_available", owner, 50))
    back = (("platform_revenue", None, 50), ("creator_available", owner, -50))
    post(sql_db, "d", *back, p_reverses=bonus["transaction_id"])
    post(sql_db, "e", ("creator_receivable", owner, -300), ("platform_revenue", None, 300))
    return world


def broken(db: psycopg.Connection) -> set[str]:
    return {found.invariant.code for found in ledger_checks.check(db) if found.rows}


def test_the_books_are_in_order_after_real_work(sql_db: psycopg.Connection, world: World) -> None:
    assert [i.code for i in ledger_checks.invariants()] == [f"I{n:02}" for n in range(1, 23)]
    assert broken(sql_db) == set()


# What a superuser with the triggers off would have to do; constraints that stand in the way are dropped first.
LAST_ENTRY = "(select max(id) from ledger_entries)"
VIOLATIONS = {
    "I01": "update ledger_entries set amount_cents = amount_cents + 1 where id = 1",
    "I02": "update ledger_accounts set balance_cents = balance_cents + 1 where kind = 'residual'",
    "I03": "update ledger_accounts set version = version + 1 where kind = 'residual'",
    "I04": "update ledger_entries set balance_after_cents = -1 "
    "where account_id = (select id from ledger_accounts where kind = 'residual')",
    "I05": "update ledger_entries set account_version = account_version + 5 where id = " + LAST_ENTRY,
    "I06": "insert into ledger_transactions (idempotency_key, kind, currency, event_at) "
    "values ('x', 'bonus', 'USD', now())",
    "I07": "alter table ledger_transactions drop constraint one_transaction_per_idempotency_key; "
    "insert into ledger_transactions (idempotency_key, kind, currency, event_at) "
    "values ('c', 'bonus', 'USD', now())",
    "I08": "update ledger_transactions set reverses = 1 where reverses is not null and kind = 'bonus'",
    "I09": "update revenue_windows set residual_cents = residual_cents + 1, allocated_cents = allocated_cents - 1 "
    "where id = 1",
    "I10": "update window_allocations set cap_cents = 10 where creator_id = (select max(creator_id) "
    "from window_allocations)",
    "I11": "update window_allocations set platform_fee_cents = platform_fee_cents - 1, "
    "pay_now_cents = pay_now_cents + 1 where pay_now_cents > 0",
    "I12": "update ledger_transactions set revenue_window_id = 1 where idempotency_key = 'close:b'",
    "I13": "update reserves set released_at = available_at - interval '1 microsecond' where id = 1",
    "I14": "update reserves set amount_cents = amount_cents + 1 where id = 1",
    "I15": "delete from payout_postings where purpose = 'void'",
    "I16": "alter table payouts drop constraint one_payout_per_creator_and_key; "
    "update payouts set idempotency_key = 'canceled' where idempotency_key = 'held'",
    "I17": "alter table payout_postings drop constraint payout_postings_pkey cascade; "
    "update payout_postings set ledger_transaction_id = (select min(ledger_transaction_id) from payout_postings)",
    "I18": "update payouts set fee_cents = fee_cents + 1 where status = 'held'",
    "I19": "alter table payouts drop constraint kyc_level_suffices; "
    "update payouts set kyc_level = 0 where status = 'paid'",
    "I20": "update payout_events set from_status = 'requested', to_status = 'held' where from_status = 'paid'",
    "I21": "update payout_attempts set status = 'failed' where status = 'succeeded'",
    "I22": "update payouts set status = 'pending' where status = 'held'",
}
#: The same invariant broken in another way.
MORE_VIOLATIONS = {
    "I08": "drop index one_reversal_per_transaction; "
    "update ledger_transactions set reverses = (select min(reverses) from ledger_transactions) "
    "where reverses is not null",
    "I10": "update video_rev_shares set allocated_cents = allocated_cents + 1 where id = 1",
    "I12": "alter table revenue_windows drop constraint closed_windows_of_a_kind_do_not_overlap; "
    "alter table revenue_windows drop constraint one_version_per_window; "
    "update revenue_windows set window_start = '2026-01-01', window_end = '2026-01-08'",
    "I13": "update ledger_transactions set kind = 'reserve_release' where kind = 'window_close'",
    "I15": "update payout_postings set purpose = 'void' where purpose = 'settle'",
    "I17": "delete from payout_postings where purpose = 'return'",
    "I20": "alter table payout_events drop constraint only_legal_transitions; "
    "update payout_events set to_status = 'paid' where to_status = 'requested'",
    "I21": "alter table payout_attempts drop constraint one_attempt_per_provider_key; "
    "update payout_attempts set provider_key = 'one for all'",
    "I22": "delete from payout_events where to_status = 'canceled'",
}
CASES = [*VIOLATIONS.items(), *MORE_VIOLATIONS.items()]


def test_every_invariant_has_a_violation() -> None:
    assert sorted(VIOLATIONS) == [i.code for i in ledger_checks.invariants()]


@pytest.mark.parametrize(("code", "violation"), CASES)
def test_an_invariant_notices_the_row_that_breaks_it(
    code: str, violation: str, sql_db: psycopg.Connection, world: World
) -> None:
    for table in ("ledger_entries", "ledger_accounts", "ledger_transactions", "revenue_windows", "window_allocations",
                  "video_rev_shares", "reserves", "payouts", "payout_events", "payout_postings",
                  "payout_attempts"):  # fmt: skip
        sql_db.execute(f"alter table {table} disable trigger all")
    for table, constraint in (
        ("window_allocations", "allocation_stays_under_its_cap"),
        ("reserves", "no_early_release"),
        ("reserves", "a_release_is_posted"),
    ):
        sql_db.execute(f"alter table {table} drop constraint {constraint}")
    assert code not in broken(sql_db)
    for statement in violation.split("; "):
        sql_db.execute(statement)
    assert code in broken(sql_db)


def settings(url: str | None) -> Settings:
    return Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="unused", supabase_db_url=url)


def run(monkeypatch: pytest.MonkeyPatch, url: str | None) -> tuple[int, str]:
    monkeypatch.setattr(ledger_checks, "load_settings", lambda stack: settings(url))
    application = ledger_checks.typer.Typer()
    application.command()(ledger_checks.main)
    result = CliRunner().invoke(application, [])
    return result.exit_code, result.output


def test_the_command_ends_with_0_when_all_holds_and_1_with_the_rows_when_not(
    sql_db: psycopg.Connection, sql_db_url: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, sql_db_url) == (0, run(monkeypatch, sql_db_url)[1])
    sql_db.execute("alter table ledger_accounts disable trigger all")
    sql_db.execute("update ledger_accounts set balance_cents = balance_cents + 1 where kind = 'residual'")
    code, text = run(monkeypatch, sql_db_url)
    assert code == 1
    assert "the books are not in order: I02, I03" in text
    assert f"account_id {one(sql_db, 'select id from ledger_accounts where kind = %s', 'residual')}" in text
