"""A clawback that was wrong is given back whole, once, wherever its money has gone since."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest

from revenue_split import ledger_checks
from tests.db.world import World, acting_as, call_close, closing, news, one, payout, people, post, request

START = 10_000
FEE = 25


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    """`people`; the owner has 100.00."""
    world = people(sql_db)
    owner = world.users["owner"]
    post(sql_db, "start", ("platform_revenue", None, -START), ("creator_available", owner, START))
    return world


def take(db: psycopg.Connection, world: World, cents: int, reference: str = "case 1") -> int:
    call = "select claw_back(%s, 'fraud', %s, %s, 'Confirmed by two people.')"
    with acting_as(db, "admin", world):
        return int(one(db, call, world.users["owner"], reference, cents)["clawback_id"])


def give(
    db: psycopg.Connection, world: World, number: int | None, *, by: str = "admin", key: str = "k",
    reason: str | None = "It was another account.",
) -> Any:  # fmt: skip
    with acting_as(db, by, world):
        return one(db, "select reverse_clawback(%s, %s, %s)", key, number, reason)


def has(db: psycopg.Connection, world: World) -> tuple[int, int]:
    """What is available and what is owed."""
    row = db.execute(
        "select available_cents, -receivable_cents from creator_balances where user_id = %s", (world.users["owner"],)
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def books_are_in_order(db: psycopg.Connection) -> bool:
    """All invariants; and nobody's receivable account says that the platform owes them."""
    broken = [found.invariant.code for found in ledger_checks.check(db) if found.rows]
    positive = one(db, "select count(*) from ledger_accounts where kind = 'creator_receivable' and balance_cents > 0")
    return broken == [] and positive == 0


def refused(db: psycopg.Connection, world: World, number: int | None, **more: Any) -> str | None:
    tables = ("ledger_entries", "clawback_reversals", "notifications", "audit_log")
    before = [one(db, f"select count(*) from {table}") for table in tables]
    with pytest.raises(psycopg.Error) as caught:
        give(db, world, number, **more)
    assert [one(db, f"select count(*) from {table}") for table in tables] == before
    return caught.value.sqlstate


@pytest.mark.parametrize("cents", [4_000, START, 15_000])
def test_given_back_at_once_everything_is_as_before(cents: int, sql_db: psycopg.Connection, world: World) -> None:
    number = take(sql_db, world, cents)
    done = give(sql_db, world, number)
    assert has(sql_db, world) == (START, 0)
    assert (done["available_cents"], done["owed_cents"]) == (min(cents, START), max(0, cents - START))
    assert books_are_in_order(sql_db)
    mirrored = one(
        sql_db, "select r.reverses = c.ledger_transaction_id from ledger_transactions r, clawbacks c "
        "where r.kind = 'clawback_reversal'",
    )  # fmt: skip
    assert mirrored is True


def test_what_a_later_window_paid_of_the_debt_becomes_available(sql_db: psycopg.Connection, world: World) -> None:
    """50.00 were owed; a window of 80.00 filled them. Given back, they are the creator's again."""
    number = take(sql_db, world, 15_000)
    assert has(sql_db, world) == (0, 5_000)
    call_close(sql_db, "later", closing(world, {"owner": 10_000}))
    assert has(sql_db, world) == (3_000, 0)
    done = give(sql_db, world, number)
    assert (done["available_cents"], done["owed_cents"]) == (15_000, 0)
    assert has(sql_db, world) == (18_000, 0)
    assert books_are_in_order(sql_db)


def test_what_a_later_window_paid_in_part_of_the_debt_is_told_apart(sql_db: psycopg.Connection, world: World) -> None:
    """150.00 owed, 80.00 of it filled: 80.00 become available, 70.00 are owed no longer."""
    number = take(sql_db, world, 25_000)
    call_close(sql_db, "later", closing(world, {"owner": 10_000}))
    assert has(sql_db, world) == (0, 7_000)
    done = give(sql_db, world, number)
    assert (done["available_cents"], done["owed_cents"]) == (18_000, 7_000)
    assert has(sql_db, world) == (18_000, 0)
    assert books_are_in_order(sql_db)


def test_what_is_owed_for_another_reason_is_filled_first(sql_db: psycopg.Connection, world: World) -> None:
    first = take(sql_db, world, 8_000, "case 1")
    take(sql_db, world, 9_000, "case 2")
    assert has(sql_db, world) == (0, 7_000)
    done = give(sql_db, world, first)
    assert (done["available_cents"], done["owed_cents"]) == (1_000, 7_000)
    assert has(sql_db, world) == (1_000, 0)
    assert books_are_in_order(sql_db)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_given_back_in_any_order_leave_nothing(
    order: tuple[int, int], sql_db: psycopg.Connection, world: World
) -> None:
    numbers = [take(sql_db, world, 8_000, "case 1"), take(sql_db, world, 9_000, "case 2")]
    for place in order:
        give(sql_db, world, numbers[place], key=f"k{place}")
        assert books_are_in_order(sql_db)
    assert has(sql_db, world) == (START, 0)


def test_money_that_was_paid_out_before_the_clawback_is_given_back_too(
    sql_db: psycopg.Connection, world: World
) -> None:
    """All of it had left; the debt is forgiven, and what a window filled of it is paid."""
    sent = payout(sql_db, world, START - FEE)
    news(sql_db, sent, "transfer.paid", event_id="paid")
    number = take(sql_db, world, 6_000)
    assert has(sql_db, world) == (0, 6_000)
    done = give(sql_db, world, number)
    assert (done["available_cents"], done["owed_cents"]) == (0, 6_000)
    assert has(sql_db, world) == (0, 0)
    assert books_are_in_order(sql_db)


def test_and_so_is_what_was_paid_out_after_it(sql_db: psycopg.Connection, world: World) -> None:
    number = take(sql_db, world, 4_000)
    sent = payout(sql_db, world, 6_000 - FEE)
    news(sql_db, sent, "transfer.paid", event_id="paid")
    give(sql_db, world, number)
    assert has(sql_db, world) == (4_000, 0)
    assert request(sql_db, world, 4_000 - FEE, key="again")["status"] == "pending"
    assert books_are_in_order(sql_db)


def test_the_same_key_gives_the_same_answer_and_another_is_told_that_it_was_done(
    sql_db: psycopg.Connection, world: World
) -> None:
    number = take(sql_db, world, 4_000)
    first = give(sql_db, world, number)
    assert give(sql_db, world, number) == first | {"replayed": True}
    assert refused(sql_db, world, number, key="another") == "22ZG1"
    assert refused(sql_db, world, number, reason="Another reason.") == "22Z01"
    assert has(sql_db, world) == (START, 0)


def test_a_dispute_that_is_told_again_after_it_was_given_back_takes_nothing(
    sql_db: psycopg.Connection, world: World
) -> None:
    sent = payout(sql_db, world)
    news(sql_db, sent, "transfer.paid", event_id="paid")
    assert news(sql_db, sent, "dispute.opened", event_id="e1", dispute="d", amount_cents=700) == "applied"
    before = has(sql_db, world)
    give(sql_db, world, one(sql_db, "select id from clawbacks"))
    assert news(sql_db, sent, "dispute.opened", event_id="e2", dispute="d", amount_cents=700) == "already"
    assert has(sql_db, world) == (before[0] + 700, 0)


@pytest.mark.parametrize("bad", [{"reason": ""}, {"reason": "  "}, {"reason": None}, {"key": ""}, {"key": None}])
def test_it_needs_a_key_and_a_reason(bad: dict[str, Any], sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, world, take(sql_db, world, 1), **bad) == "22Z12"


@pytest.mark.parametrize("number", [None, 10**12])
def test_what_is_not_there_is_not_given_back(number: int | None, sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, world, number) == "22Z12"


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "other", "reviewer"])
def test_only_an_admin_gives_back(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    assert refused(sql_db, world, take(sql_db, world, 1), by=actor) == "42501"


def test_no_admin_gives_back_to_themselves(sql_db: psycopg.Connection, world: World) -> None:
    number = take(sql_db, world, 1)
    sql_db.execute("insert into staff (user_id, role) values (%s, 'admin')", (world.users["owner"],))
    assert refused(sql_db, world, number, by="owner") == "42501"


def test_the_creator_is_told_why_and_reads_the_row(sql_db: psycopg.Connection, world: World) -> None:
    number = take(sql_db, world, 15_000)
    give(sql_db, world, number)
    with acting_as(sql_db, "owner", world):
        told = sql_db.execute("select title, body from notifications where kind = 'given_back'").fetchall()
        assert one(sql_db, "select reason from clawback_reversals") == "It was another account."
    assert told[0][0] == "150.00 USD were given back"
    assert told[0][1].endswith("by mistake: 100.00 are available, 50.00 less is owed. Reason: It was another account.")
    with acting_as(sql_db, "other", world):
        assert one(sql_db, "select count(*) from clawback_reversals") == 0


def test_what_was_given_back_is_never_changed(sql_db: psycopg.Connection, world: World) -> None:
    give(sql_db, world, take(sql_db, world, 1))
    for statement in ("update clawback_reversals set reason = 'xxx'", "delete from clawback_reversals",
                      "truncate clawback_reversals"):  # fmt: skip
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement.encode())
        assert caught.value.sqlstate == "22Z10"


def test_without_the_cover_the_receivable_account_would_say_that_the_platform_owes(
    sql_db: psycopg.Connection, world: World
) -> None:
    """The guard shown red: the same function without its cover."""
    body = one(sql_db, "select pg_get_functiondef('reverse_clawback'::regproc)")
    assert "if v_surplus > 0 then" in body
    sql_db.execute(body.replace("if v_surplus > 0 then", "if false then"))
    number = take(sql_db, world, 15_000)
    call_close(sql_db, "later", closing(world, {"owner": 10_000}))
    give(sql_db, world, number)
    assert not books_are_in_order(sql_db)


def test_two_admins_at_once_give_back_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    number = take(sql_db, world, 4_000)
    together = threading.Barrier(4)
    answers: list[Any] = []

    def press(key: str) -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            together.wait()
            try:
                answers.append(give(db, world, number, key=key)["replayed"])
            except psycopg.Error as error:
                answers.append(error.sqlstate)

    threads = [threading.Thread(target=press, args=(f"k{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(str, answers)) == ["22ZG1", "22ZG1", "22ZG1", "False"]
    assert has(sql_db, world) == (START, 0)
    assert books_are_in_order(sql_db)
