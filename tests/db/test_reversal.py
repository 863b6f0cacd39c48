"""A wrong window is taken back whole, whatever its money did meanwhile, and closed anew as the next version."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from revenue_split import ledger_checks
from tests.db.world import World, acting_as, call_close, closing, one, people, post


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


def balances(db: psycopg.Connection, user: int | None) -> dict[str, int]:
    rows = db.execute(
        "select kind, balance_cents from ledger_accounts where user_id is not distinct from %s and balance_cents <> 0",
        (user,),
    ).fetchall()
    return dict(rows)


def reverse(db: psycopg.Connection, number: int, *, key: str = "back", reason: str = "wrong costs") -> dict[str, Any]:
    answer: dict[str, Any] = one(db, "select reverse_revenue_window(%s, %s, %s)", key, number, reason)
    return answer


def refused(db: psycopg.Connection, number: int, **more: str) -> str | None:
    with pytest.raises(psycopg.Error) as caught:
        reverse(db, number, **more)
    return caught.value.sqlstate


def in_order(db: psycopg.Connection) -> bool:
    return not [found for found in ledger_checks.check(db) if found.rows]


def test_everything_is_back_where_it_was_and_the_window_closes_anew(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000, "other": 100}))
    back = reverse(sql_db, done["revenue_window_id"])
    assert (back["status"], back["owed_cents"], back["cover_transaction_id"]) == ("reversed", 0, None)
    for user in (owner, world.users["other"], None):
        assert balances(sql_db, user) == {}
    assert in_order(sql_db)
    again = call_close(sql_db, "k2", closing(world, {"owner": 4_000}))
    assert again["version"] == 2
    assert balances(sql_db, owner) == {"creator_reserve": 400, "creator_available": 3_200}
    assert in_order(sql_db)


def test_what_was_paid_out_meanwhile_is_owed(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    post(sql_db, "out", ("creator_available", owner, -3_500), ("payouts_paid", None, 3_500))
    back = reverse(sql_db, done["revenue_window_id"])
    # 4000 were available and 500 of them are left; the reserve of 500 goes back by itself.
    assert back["owed_cents"] == 3_500
    assert balances(sql_db, owner) == {"creator_receivable": -3_500}
    assert in_order(sql_db)


def test_a_released_reserve_is_taken_from_what_is_available_and_no_other_reserve_is_touched(
    sql_db: psycopg.Connection, world: World
) -> None:
    owner = world.users["owner"]
    first = call_close(sql_db, "a", closing(world, {"owner": 5_000}, policy={"hold_days": 0}))
    week = {"start": "2026-01-08", "end": "2026-01-15"}
    call_close(sql_db, "b", closing(world, {"owner": 2_000}, **week))
    assert one(sql_db, "select release_due_reserves()") == {"released": 1, "cents": 500}
    back = reverse(sql_db, first["revenue_window_id"])
    assert back["owed_cents"] == 0
    assert balances(sql_db, owner) == {"creator_reserve": 200, "creator_available": 1_600}
    assert in_order(sql_db)


def test_carried_money_that_a_later_window_released_is_taken_from_there(
    sql_db: psycopg.Connection, world: World
) -> None:
    owner = world.users["owner"]
    first = call_close(sql_db, "a", closing(world, {"owner": 1_000}))
    week = {"start": "2026-01-08", "end": "2026-01-15"}
    call_close(sql_db, "b", closing(world, {"owner": 1_000}, carried_before={"owner": 800}, **week))
    assert balances(sql_db, owner) == {"creator_reserve": 200, "creator_available": 1_600}
    reverse(sql_db, first["revenue_window_id"])
    assert balances(sql_db, owner) == {"creator_reserve": 100, "creator_available": 800}
    assert in_order(sql_db)


def test_a_window_that_released_carried_money_gives_it_back_to_be_carried(
    sql_db: psycopg.Connection, world: World
) -> None:
    owner = world.users["owner"]
    call_close(sql_db, "a", closing(world, {"owner": 1_000}))
    week = {"start": "2026-01-08", "end": "2026-01-15"}
    second = call_close(sql_db, "b", closing(world, {"owner": 1_000}, carried_before={"owner": 800}, **week))
    reverse(sql_db, second["revenue_window_id"])
    assert balances(sql_db, owner) == {"creator_reserve": 100, "creator_carried": 800}
    assert in_order(sql_db)


def test_reversed_twice_with_one_key_it_is_one_reversal(sql_db: psycopg.Connection, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    first = reverse(sql_db, done["revenue_window_id"])
    assert reverse(sql_db, done["revenue_window_id"]) == first | {"replayed": True}
    assert refused(sql_db, done["revenue_window_id"], reason="another") == "22Z01"
    assert refused(sql_db, done["revenue_window_id"], key="second") == "22Z44"
    assert one(sql_db, "select count(*) from ledger_transactions where reverses is not null") == 1


@pytest.mark.parametrize(
    ("key", "reason"), [("", "why"), ("k", ""), ("k", "   "), ("k" * 181, "why"), ("k", "x" * 2_001)]
)
def test_a_reversal_needs_a_key_and_a_reason(key: str, reason: str, sql_db: psycopg.Connection, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    assert refused(sql_db, done["revenue_window_id"], key=key, reason=reason) == "22Z12"


def test_a_window_that_is_not_there_is_not_reversed(sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, 10**12) == "22Z44"


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "reviewer"])
def test_only_an_admin_or_a_job_reverses(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
        reverse(sql_db, done["revenue_window_id"])
    assert one(sql_db, "select status from revenue_windows") == "closed"


def test_above_the_limit_a_reversal_needs_two_people_as_well(sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, "service_role", world):
        asked = call_close(sql_db, "k", closing(world, {"owner": 5_000}, policy={"approval_limit_cents": 4_999}))
    with acting_as(sql_db, "admin", world):
        done = one(sql_db, "select decide_proposal(%s, true)", asked["proposal_id"])
    with acting_as(sql_db, "service_role", world):
        asked = reverse(sql_db, done["revenue_window_id"])
        assert reverse(sql_db, done["revenue_window_id"]) == asked | {"replayed": True}
    assert asked["status"] == "awaiting_approval"
    assert one(sql_db, "select status from revenue_windows") == "closed"
    assert one(sql_db, "select count(*) from ledger_transactions") == 1
    with acting_as(sql_db, "admin", world):
        back = one(sql_db, "select decide_proposal(%s, true)", asked["proposal_id"])
    assert back["status"] == "reversed"
    assert in_order(sql_db)


def test_an_empty_window_is_reversed_without_a_posting(sql_db: psycopg.Connection, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {}))
    assert reverse(sql_db, done["revenue_window_id"])["ledger_transaction_id"] is None
    assert one(sql_db, "select status from revenue_windows") == "reversed"


def test_two_at_once_reverse_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    number = call_close(sql_db, "k", closing(world, {"owner": 5_000}))["revenue_window_id"]
    together = threading.Barrier(2)
    answers: list[str | None] = []

    def run(key: str) -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            together.wait()
            try:
                answers.append(reverse(db, number, key=key)["status"])
            except psycopg.Error as error:
                answers.append(error.sqlstate)

    threads = [threading.Thread(target=run, args=(key,)) for key in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(str(answer) for answer in answers) == ["22Z44", "reversed"]
    assert in_order(sql_db)


def test_creators_are_told_and_the_reversal_stays(sql_db: psycopg.Connection, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    reverse(sql_db, done["revenue_window_id"])
    body = one(sql_db, "select body from notifications where kind = 'window_reversed'")
    assert body == "50.00 USD of share were booked back. Reason: wrong costs. A corrected version follows."
    for statement in ("update window_reversals set owed_cents = 1", "delete from window_reversals",
                      "truncate window_reversals"):  # fmt: skip
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement)
        assert caught.value.sqlstate == "22Z10"
