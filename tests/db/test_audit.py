"""Who did what, when, with which figures: one row an act, in the act's own transaction, never changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from revenue_split.policy import CLASSIC_V1
from tests.db.world import World, acting_as, call_close, closing, one, people


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


def acts(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute("select action, actor_role, actor_id, object_type from audit_log order by id").fetchall()


def keep(db: psycopg.Connection, world: World) -> None:
    db.execute("select keep_policy(%s)", (Jsonb(CLASSIC_V1.to_json() | {"pool_bp": 1}),))


def close(db: psycopg.Connection, world: World) -> None:
    call_close(db, "k", closing(world, {"owner": 5_000}))


def propose(db: psycopg.Connection, world: World) -> None:
    call_close(db, "k", closing(world, {"owner": 5_000}, policy={"approval_limit_cents": 1}))


def withdraw(db: psycopg.Connection, world: World) -> None:
    propose(db, world)
    db.execute("select decide_proposal(id, false, 'wrong') from window_proposals")


def reverse(db: psycopg.Connection, world: World) -> None:
    close(db, world)
    db.execute("select reverse_revenue_window('b', id, 'wrong') from (select max(id) as id from revenue_windows) w")


def portal(db: psycopg.Connection, world: World) -> None:
    db.execute("select record_staff_act('portal.scored_days', 'days', '2026-01-01', '{\"videos\": 3}')")


ACTS: dict[str, tuple[Callable[[psycopg.Connection, World], None], str]] = {
    "policy.created": (keep, "policies"),
    "window.closed": (close, "revenue_windows"),
    "proposal.made": (propose, "window_proposals"),
    "proposal.withdrawn": (withdraw, "window_proposals"),
    "window.reversed": (reverse, "revenue_windows"),
    "portal.scored_days": (portal, "days"),
}


@pytest.mark.parametrize("action", ACTS)
def test_every_act_of_an_admin_is_written_down(action: str, sql_db: psycopg.Connection, world: World) -> None:
    act, kind = ACTS[action]
    with acting_as(sql_db, "admin", world):
        act(sql_db, world)
    assert acts(sql_db)[-1] == (action, "admin", world.logins["admin"], kind)
    assert one(sql_db, "select figures <> '{}' from audit_log order by id desc limit 1")


@pytest.mark.parametrize("action", [name for name in ACTS if name != "portal.scored_days"])
def test_without_its_row_there_is_no_act(action: str, sql_db: psycopg.Connection, world: World) -> None:
    """The guard shown red: where the log can not be written, nothing happens."""
    sql_db.execute("alter table audit_log add constraint full_up check (id < 0) not valid")
    tables = ("revenue_windows", "ledger_entries", "policies", "window_proposals")
    before = [one(sql_db, f"select count(*) from {table}") for table in tables]
    with pytest.raises(psycopg.Error), acting_as(sql_db, "admin", world):
        ACTS[action][0](sql_db, world)
    assert [one(sql_db, f"select count(*) from {table}") for table in tables] == before


def hold(db: psycopg.Connection, world: World) -> None:
    db.execute("select place_payout_hold(%s, 'looked at')", (world.users["owner"],))


def release(db: psycopg.Connection, world: World) -> None:
    hold(db, world)
    db.execute("select release_payout_hold(max(id), 'all is well') from payout_holds")


def claw_back(db: psycopg.Connection, world: World) -> None:
    db.execute("select claw_back(%s, 'fraud', 'case 1', 100, 'confirmed')", (world.users["owner"],))


def label(db: psycopg.Connection, world: World) -> None:
    db.execute(
        "select label_account(%s, 'cleared', %s, null, now() + interval '10 days')", (world.users["owner"], REASON)
    )


#: A reason code that reviewers give.
REASON = "household"
REVIEWS: dict[str, tuple[Callable[[psycopg.Connection, World], None], str]] = {
    "payout_hold.placed": (hold, "reviewer"),
    "payout_hold.released": (release, "admin"),
    "account.labelled": (label, "reviewer"),
    "clawback.made": (claw_back, "admin"),
}


@pytest.mark.parametrize("action", REVIEWS)
def test_what_reviewers_decide_is_written_down_without_their_notes(
    action: str, sql_db: psycopg.Connection, world: World
) -> None:
    act, actor = REVIEWS[action]
    with acting_as(sql_db, actor, world):
        act(sql_db, world)
    assert (action, actor, world.logins[actor]) in [row[:3] for row in acts(sql_db)]
    assert one(sql_db, "select count(*) from audit_log where figures ? 'note'") == 0


STANDING = {
    "user.standing_changed": "update users set kyc_level = 1 where id = (select min(id) from users)",
    "document.reviewed": "update documents set status = 'rejected', reason_code = 'blurred'",
    "staff.changed": "update staff set role = 'reviewer' where role = 'admin'",
    "staff.removed": "delete from staff where role = 'admin'",
}


@pytest.mark.parametrize("action", STANDING)
def test_a_change_of_standing_is_written_down_whoever_makes_it(
    action: str, sql_db: psycopg.Connection, world: World
) -> None:
    insert = "insert into documents (user_id, kind, storage_path) values (%s, 'passport', 'a')"
    sql_db.execute(insert, (world.users["owner"],))
    with acting_as(sql_db, "service_role", world):
        sql_db.execute(STANDING[action].encode())
    assert acts(sql_db)[-1][:3] == (action, "job", None)


def test_becoming_staff_is_written_down(sql_db: psycopg.Connection, world: World) -> None:
    assert [act[:2] for act in acts(sql_db)[-2:]] == [("staff.granted", "database")] * 2


def test_a_change_that_changes_nothing_is_no_act(sql_db: psycopg.Connection, world: World) -> None:
    before = acts(sql_db)
    sql_db.execute("update users set kyc_level = kyc_level, viewer_trust_score = 3")
    assert acts(sql_db) == before


def test_the_log_is_append_only_four_times_over(sql_db: psycopg.Connection, world: World) -> None:
    statements = ("update audit_log set reason = 'x'", "delete from audit_log", "truncate audit_log")
    columns = "(actor_role, action, object_type, object_id)"
    by_hand = f"insert into audit_log {columns} values ('job', 'a.b', 'c', 'd')"
    for actor in ("admin", "reviewer", "service_role"):
        for statement in (*statements, by_hand):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
                sql_db.execute(statement.encode())
    for statement in statements:
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement.encode())
        assert caught.value.sqlstate == "22Z10"


def test_nobody_writes_down_by_hand_what_the_database_writes(sql_db: psycopg.Connection, world: World) -> None:
    call = "select record_staff_act('window.closed', 'revenue_windows', '1')"
    with pytest.raises(psycopg.Error) as caught, acting_as(sql_db, "admin", world):
        sql_db.execute(call)
    assert caught.value.sqlstate == "22Z12"
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, "owner", world):
        portal(sql_db, world)


def test_admins_read_everything_and_reviewers_their_own(sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, "reviewer", world):
        portal(sql_db, world)
    with acting_as(sql_db, "admin", world):
        close(sql_db, world)
    seen = {}
    for actor in ("admin", "reviewer", "owner"):
        with acting_as(sql_db, actor, world):
            seen[actor] = [row[0] for row in sql_db.execute("select action from audit_log order by id")]
    assert set(seen["reviewer"]) == {"portal.scored_days"}
    assert seen["admin"][-1] == "window.closed"
    assert seen["owner"] == []
