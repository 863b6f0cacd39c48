"""Table × actor × verb, function × actor and sequence × role, tried one by one against access_matrix.txt.

The bug that this stops: a table, policy, grant or function that opens more than somebody wrote down.
"""

from __future__ import annotations

import psycopg
import pytest

from tests.db import access
from tests.db.world import World, acting_as, furnished, one


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return furnished(sql_db)


def test_everybody_may_do_what_is_written_down_and_nothing_else(sql_db: psycopg.Connection, world: World) -> None:
    found = access.observed(sql_db, world)
    expected = access.written()
    for section, lines in found.items():
        assert lines == expected[section], f"as found:\n{access.rendered(found)}"


MUTANTS = {
    "a policy dropped": ('drop policy "Creators read their own videos" on videos', "videos"),
    "a policy for everybody": ("create policy p on videos for select to authenticated using (true)", "videos"),
    "row security off": ("alter table documents disable row level security", "documents"),
    "a grant to change the ledger": ("grant update on ledger_entries to service_role", "ledger_entries"),
    "a grant to strangers": ("grant select on portal_sessions to anon", "portal_sessions"),
    "a truncate left over": ("grant truncate on event to service_role", "event"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_matrix_notices(mutant: str, sql_db: psycopg.Connection, world: World) -> None:
    statement, table = MUTANTS[mutant]
    expected = [line for line in access.written()["tables"] if line.split()[0] == table]
    assert access.table_lines(sql_db, world, only=[table]) == expected
    sql_db.execute(statement)
    if mutant == "a grant to strangers":
        sql_db.execute("create policy p on portal_sessions for select to anon using (true)")
    assert access.table_lines(sql_db, world, only=[table]) != expected


def test_the_matrix_notices_a_new_table_and_a_new_function(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("create table novelty (id int)")
    sql_db.execute("insert into novelty values (1)")
    sql_db.execute("create function novelty() returns int language sql as 'select 1'")
    assert access.table_lines(sql_db, world, only=["novelty"])[0] not in access.written()["tables"]
    # PUBLIC may execute a new function unless its migration says otherwise: every cell is an x.
    assert access.function_lines(sql_db, world, only=["novelty"])[0].split() == ["novelty/0", *"xxxxxxx"]


def test_people_change_their_own_personal_data_and_nobody_elses(sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, "owner", world):
        assert sql_db.execute("update user_info set first_name = 'v1.sealed'").rowcount == 1
    named = sql_db.execute("select user_id from user_info where first_name = 'v1.sealed'").fetchall()
    assert named == [(world.users["owner"],)]


def test_a_creator_can_not_move_personal_data_to_another_account(sql_db: psycopg.Connection, world: World) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, "owner", world):
        sql_db.execute("update user_info set user_id = %s", (world.users["other"],))
    assert one(sql_db, "select count(*) from user_info where user_id = %s", world.users["other"]) == 1


def test_a_stranger_sees_their_own_account_alone(sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, "stranger", world):
        assert sql_db.execute("select id from users").fetchall() == [(world.users["stranger"],)]


def test_nobody_makes_themselves_staff(sql_db: psycopg.Connection, world: World) -> None:
    insert = "insert into staff (user_id, role) values (%s, 'admin')"
    for actor in ("stranger", "owner", "reviewer", "admin"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            sql_db.execute(insert, (world.users[actor],))
    assert one(sql_db, "select count(*) from staff") == 2


def test_a_creator_sees_the_windows_that_paid_them_without_the_platforms_figures(
    sql_db: psycopg.Connection, world: World
) -> None:
    for actor, count in (("owner", 2), ("other", 0), ("stranger", 0)):
        with acting_as(sql_db, actor, world):
            rows = sql_db.execute("select * from my_windows()")
            assert "gross_cents" not in [column.name for column in rows.description or ()]
            assert len(rows.fetchall()) == count
