"""What moves much money needs two people: a proposal is what was looked at, approved by another admin or by nobody."""

from __future__ import annotations

import threading
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from revenue_split import ledger_checks
from tests.db.world import World, acting_as, call_close, closing, keep_policy, one, people

LIMIT = {"approval_limit_cents": 4_999}


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    """`people`, and a second admin."""
    world = people(sql_db)
    login = uuid.uuid4()
    sql_db.execute("insert into auth.users (id, email) values (%s, 'second@example.org')", (login,))
    world.logins["second"] = login
    world.users["second"] = one(sql_db, "select id from users where auth_id = %s", login)
    sql_db.execute("insert into staff (user_id, role) values (%s, 'admin')", (world.users["second"],))
    return world


def propose(db: psycopg.Connection, world: World, *, by: str = "admin", key: str = "k", cents: int = 5_000) -> Any:
    with acting_as(db, by, world):
        return call_close(db, key, closing(world, {"owner": cents}, policy=LIMIT))


def decide(
    db: psycopg.Connection, world: World, by: str, number: int, *, approve: bool, reason: str | None = None
) -> Any:
    with acting_as(db, by, world):
        return one(db, "select decide_proposal(%s, %s, %s)", number, approve, reason)


def refused(db: psycopg.Connection, world: World, by: str, number: int, **more: Any) -> str | None:
    before = rows(db)
    with pytest.raises(psycopg.Error) as caught:
        decide(db, world, by, number, **more)
    assert rows(db) == before
    return caught.value.sqlstate


def rows(db: psycopg.Connection) -> list[int]:
    tables = ("revenue_windows", "ledger_entries", "reserves", "notifications", "audit_log", "window_proposals")
    return [one(db, f"select count(*) from {table}") for table in tables]


def test_above_the_limit_nothing_moves_until_another_admin_approves(sql_db: psycopg.Connection, world: World) -> None:
    asked = propose(sql_db, world)
    assert (asked["status"], asked["replayed"]) == ("awaiting_approval", False)
    assert rows(sql_db)[:4] == [0, 0, 0, 0]
    done = decide(sql_db, world, "second", asked["proposal_id"], approve=True)
    assert (done["status"], done["pool_cents"]) == ("closed", 5_000)
    people_of_it = sql_db.execute("select closed_by, approved_by from revenue_windows").fetchone()
    assert people_of_it == (world.logins["admin"], world.logins["second"])
    assert not [found for found in ledger_checks.check(sql_db) if found.rows]


def test_at_the_limit_one_admin_is_enough(sql_db: psycopg.Connection, world: World) -> None:
    assert propose(sql_db, world, cents=4_999)["status"] == "closed"


def test_who_proposes_does_not_approve(sql_db: psycopg.Connection, world: World) -> None:
    number = propose(sql_db, world)["proposal_id"]
    assert refused(sql_db, world, "admin", number, approve=True) == "22Z43"


def test_nor_does_the_database_let_them_past_the_function(sql_db: psycopg.Connection, world: World) -> None:
    propose(sql_db, world)
    with pytest.raises(psycopg.errors.CheckViolation):
        sql_db.execute("update window_proposals set status = 'approved', decided_by = proposed_by, decided_at = now()")


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "reviewer", "service_role"])
def test_nobody_but_an_admin_decides(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    number = propose(sql_db, world)["proposal_id"]
    assert refused(sql_db, world, actor, number, approve=True) == "42501"


def test_a_jobs_close_above_the_limit_waits_for_an_admin(sql_db: psycopg.Connection, world: World) -> None:
    number = propose(sql_db, world, by="service_role")["proposal_id"]
    assert decide(sql_db, world, "admin", number, approve=True)["status"] == "closed"


def test_rules_written_down_by_the_closing_admin_need_a_second_one(sql_db: psycopg.Connection, world: World) -> None:
    """The bug that this stops: one admin who writes down a policy without a limit and closes by it."""
    figures = closing(world, {"owner": 5_000}, policy={"approval_limit_cents": None})
    with acting_as(sql_db, "admin", world):
        kept = one(sql_db, "select keep_policy(%s)", Jsonb(figures["window"]["policy"]))
    with acting_as(sql_db, "admin", world):
        asked = call_close(sql_db, "k", figures)
    assert (kept["version"], asked["status"]) == (1, "awaiting_approval")
    assert "same admin" in asked["why"]
    with acting_as(sql_db, "second", world):
        other = figures["window"] | {"window_start": "2026-02-01T00:00:00Z", "window_end": "2026-02-02T00:00:00Z"}
        assert call_close(sql_db, "k2", figures | {"window": other})["status"] == "closed"


def test_asked_twice_it_is_one_proposal_and_after_the_approval_the_first_answer(
    sql_db: psycopg.Connection, world: World
) -> None:
    first = propose(sql_db, world)
    assert propose(sql_db, world) == first | {"replayed": True}
    done = decide(sql_db, world, "second", first["proposal_id"], approve=True)
    again = propose(sql_db, world)
    assert again == {name: value for name, value in done.items() if name != "proposal_id"} | {"replayed": True}
    assert one(sql_db, "select count(*) from window_proposals") == 1


def test_the_key_of_a_proposal_stands_for_its_figures(sql_db: psycopg.Connection, world: World) -> None:
    propose(sql_db, world)
    with pytest.raises(psycopg.Error) as caught:
        propose(sql_db, world, cents=5_001)
    assert caught.value.sqlstate == "22Z01"


def test_figures_that_could_not_be_closed_are_no_proposal(sql_db: psycopg.Connection, world: World) -> None:
    figures = closing(world, {"owner": 5_000}, policy=LIMIT)
    figures["shares"][0]["allocated_cents"] = 4_999
    keep_policy(sql_db, figures["window"]["policy"])
    with pytest.raises(psycopg.Error) as caught, acting_as(sql_db, "admin", world):
        call_close(sql_db, "k", figures)
    assert caught.value.sqlstate == "22Z04"
    assert one(sql_db, "select count(*) from window_proposals") == 0


def test_what_changed_since_the_proposal_refuses_the_approval_and_leaves_it_open(
    sql_db: psycopg.Connection, world: World
) -> None:
    number = propose(sql_db, world)["proposal_id"]
    sql_db.execute("update users set kyc_level = 0 where id = %s", (world.users["owner"],))
    assert refused(sql_db, world, "second", number, approve=True) == "22Z08"
    assert one(sql_db, "select status from window_proposals") == "open"
    decide(sql_db, world, "second", number, approve=False, reason="identity was withdrawn")
    assert refused(sql_db, world, "second", number, approve=True) == "22Z42"


def test_a_rejection_says_why_and_its_key_never_closes(sql_db: psycopg.Connection, world: World) -> None:
    number = propose(sql_db, world)["proposal_id"]
    assert refused(sql_db, world, "second", number, approve=False) == "22Z12"
    decide(sql_db, world, "second", number, approve=False, reason="wrong costs")
    answer = propose(sql_db, world)
    assert (answer["status"], answer["reason"]) == ("rejected", "wrong costs")
    assert rows(sql_db)[:2] == [0, 0]


def test_two_admins_approve_at_once_and_it_closes_once(
    sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    number = propose(sql_db, world, by="service_role")["proposal_id"]
    together = threading.Barrier(2)
    answers: dict[str, str | None] = {}

    def approve(admin: str) -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            together.wait()
            try:
                answers[admin] = decide(db, world, admin, number, approve=True)["status"]
            except psycopg.Error as error:
                answers[admin] = error.sqlstate

    threads = [threading.Thread(target=approve, args=(admin,)) for admin in ("admin", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(str(answer) for answer in answers.values()) == ["22Z42", "closed"]
    assert one(sql_db, "select count(*) from revenue_windows") == 1


def test_two_admins_close_one_window_at_once_one_wins_and_the_other_is_told_so(
    sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    """The bug that this stops: a week that is paid twice because two people pressed the button."""
    figures = closing(world, {"owner": 5_000})
    keep_policy(sql_db, figures["window"]["policy"])
    together = threading.Barrier(2)
    answers: dict[str, Any] = {}

    def close(admin: str) -> None:
        with psycopg.connect(sql_db_url, autocommit=True) as db:
            together.wait()
            try:
                with acting_as(db, admin, world):
                    answers[admin] = call_close(db, f"the key of {admin}", figures)["status"]
            except psycopg.Error as error:
                answers[admin] = (error.sqlstate, error.diag.message_primary)

    threads = [threading.Thread(target=close, args=(admin,)) for admin in ("admin", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    loser = next(answer for answer in answers.values() if answer != "closed")
    assert "closed" in answers.values()
    assert loser[0] == "22Z03"
    assert "the closed window" in loser[1]
    assert one(sql_db, "select count(*) from ledger_transactions") == 1


def expiring(db: psycopg.Connection, number: int, *, microseconds: int) -> None:
    """Moves the end to so many microseconds after this transaction's time."""
    db.execute("set local session_replication_role = replica")
    move = "update window_proposals set expires_at = now() + %s * interval '1 microsecond' where id = %s"
    db.execute(move, (microseconds, number))
    db.execute("set local session_replication_role = origin")


def test_a_proposal_may_be_decided_for_seven_days(sql_db: psycopg.Connection, world: World) -> None:
    asked = propose(sql_db, world)
    left = "select extract(epoch from expires_at - proposed_at)::bigint from window_proposals"
    assert one(sql_db, left) == 7 * 86_400
    assert asked["expires_at"][:10] == str(one(sql_db, "select (now() + interval '168 hours')::date"))


@pytest.mark.parametrize("microseconds", [1, 0, -1])
@pytest.mark.parametrize("approve", [True, False])
def test_a_microsecond_before_its_end_it_is_decided_and_from_then_on_void(
    approve: bool, microseconds: int, sql_db: psycopg.Connection, world: World
) -> None:
    number = propose(sql_db, world)["proposal_id"]

    def late() -> Any:
        with sql_db.transaction():
            expiring(sql_db, number, microseconds=microseconds)
            return decide(sql_db, world, "second", number, approve=approve, reason="looked at")

    if microseconds > 0:
        assert late()["status"] == ("closed" if approve else "rejected")
        return
    with pytest.raises(psycopg.Error) as caught:
        late()
    assert caught.value.sqlstate == "22ZG0"
    assert "had to be decided before" in str(caught.value)
    assert rows(sql_db)[:2] == [0, 0]


def test_nor_is_it_approved_too_late_past_the_function(sql_db: psycopg.Connection, world: World) -> None:
    number = propose(sql_db, world)["proposal_id"]
    expired(sql_db, number)
    with pytest.raises(psycopg.errors.CheckViolation):
        sql_db.execute(
            "update window_proposals set status = 'approved', decided_by = %s, decided_at = now()",
            (world.logins["second"],),
        )


def expired(db: psycopg.Connection, number: int) -> None:
    with db.transaction():
        expiring(db, number, microseconds=0)


def test_a_void_request_is_made_anew_under_its_key_with_the_figures_of_the_day(
    sql_db: psycopg.Connection, world: World
) -> None:
    first = propose(sql_db, world)["proposal_id"]
    expired(sql_db, first)
    second = propose(sql_db, world, cents=6_000)
    assert (second["status"], second["replayed"]) == ("awaiting_approval", False)
    states = sql_db.execute("select id, status, decided_by from window_proposals order by id").fetchall()
    assert states == [(first, "expired", None), (second["proposal_id"], "open", None)]
    assert one(sql_db, "select count(*) from audit_log where action = 'proposal.expired'") == 1
    assert refused(sql_db, world, "second", first, approve=True) == "22Z42"
    assert decide(sql_db, world, "second", second["proposal_id"], approve=True)["pool_cents"] == 6_000


def test_who_proposed_may_withdraw_and_ask_again(sql_db: psycopg.Connection, world: World) -> None:
    number = propose(sql_db, world)["proposal_id"]
    assert decide(sql_db, world, "admin", number, approve=False, reason="wrong costs")["status"] == "withdrawn"
    assert one(sql_db, "select action from audit_log order by id desc limit 1") == "proposal.withdrawn"
    assert refused(sql_db, world, "second", number, approve=True) == "22Z42"
    again = propose(sql_db, world, cents=6_000)
    assert (again["status"], again["replayed"]) == ("awaiting_approval", False)


def test_what_was_rejected_stays_rejected_whoever_asks_again(sql_db: psycopg.Connection, world: World) -> None:
    """Only whoever proposed withdraws: another admin's no is final for the key."""
    number = propose(sql_db, world)["proposal_id"]
    assert decide(sql_db, world, "second", number, approve=False, reason="no")["status"] == "rejected"
    assert propose(sql_db, world)["status"] == "rejected"
