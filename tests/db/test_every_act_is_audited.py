"""The catalog says which functions staff act by; each of them is tried, and leaves its row or does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.db import test_audit as acts
from tests.db.world import World, acting_as, call_close, closing, method, one, people, request

#: Functions that a signed-in person may call, that write, and that ask somewhere below whether the caller is staff.
STAFF_FUNCTIONS = r"""
with recursive calls as (
  select a.oid as caller, b.oid as callee from pg_proc a join pg_proc b on a.prosrc ~ ('public\.' || b.proname || '\(')
  where a.pronamespace = 'public'::regnamespace and b.pronamespace = 'public'::regnamespace
    -- What writes an act down asks who acted; that makes nobody's act one of staff.
    and b.proname <> 'record_audit' and b.proname !~ '^audit_'
), reached as (
  select oid as root, oid from pg_proc where pronamespace = 'public'::regnamespace
  union
  select r.root, c.callee from reached r join calls c on c.caller = r.oid
)
select distinct p.proname::text from pg_proc p
join reached r on r.root = p.oid
join pg_proc q on q.oid = r.oid and q.proname in ('is_admin', 'is_reviewer', 'staff_role')
cross join aclexplode(p.proacl) a
where p.provolatile = 'v' and a.grantee = 'authenticated'::regrole
"""
#: Where staff could write past the functions.
STAFF_POLICIES = """
select policyname from pg_policies where schemaname = 'public' and cmd <> 'SELECT'
  and coalesce(qual, '') || coalesce(with_check, '') ~ '(is_admin|is_reviewer|staff_role)'
"""

Step = Callable[[psycopg.Connection, World], Any]


def nothing(db: psycopg.Connection, world: World) -> None:
    pass


@dataclass(frozen=True)
class Act:
    """What `actor` does after `before`, and the action that it is written down as."""

    does: Step
    action: str
    actor: str = "admin"
    before: Step = nothing


def paid_in(db: psycopg.Connection, world: World) -> None:
    call_close(db, "paid in", closing(world, {"owner": 50_000}))


def asked_for(db: psycopg.Connection, world: World) -> None:
    paid_in(db, world)
    request(db, world)


def suspected_and_cleared(db: psycopg.Connection, world: World) -> None:
    """A payout that is held for a reason which was mended elsewhere."""
    paid_in(db, world)
    db.execute("update users set likely_bot = true where id = %s", (world.users["owner"],))
    request(db, world)
    db.execute("update users set likely_bot = false where id = %s", (world.users["owner"],))


def held(db: psycopg.Connection, world: World) -> None:
    asked_for(db, world)
    acts.hold(db, world)


def reported(db: psycopg.Connection, world: World) -> None:
    db.execute("select ensure_event_partitions('2026-01-01', '2026-01-01')")
    db.execute(
        "insert into event (video_id, user_id, event_type, ts) values (%s, %s, 'report', '2026-01-01 12:00+00')",
        (world.videos["owner"], world.users["stranger"]),
    )


def decide_reports(db: psycopg.Connection, world: World) -> None:
    db.execute("select decide_reports(%s, 'dismissed', 'no_violation')", (world.videos["owner"],))


def record_revenue(db: psycopg.Connection, world: World) -> None:
    window = closing(world, {"owner": 5_000}, start="2026-02-01", end="2026-03-01")["window"]
    db.execute("select record_revenue(%s)", (Jsonb(window | {"policy_name": "classic_v1", "policy_version": 1}),))


def failed_job(db: psycopg.Connection, world: World) -> None:
    db.execute("select plan_jobs()")
    db.execute("select finish_job((claim_job('w') ->> 'id')::bigint, 'w', 1, now(), 'failed', null, 'no disk')")


def asked_to_look(db: psycopg.Connection, world: World) -> None:
    day = ("2026-01-01 00:00+00", "2026-01-02 00:00+00")
    db.execute(
        "insert into video_explanations (video_id, window_start, window_end, model, discounted_units, groups, "
        "counted_units, counted_units_without) values (%s, %s, %s, 'm', 1, '[{\"code\": \"shared_device\"}]', 1, 1)",
        (world.videos["owner"], *day),
    )
    with acting_as(db, "owner", world):
        call = "select ask_review(%s, %s, %s, 'shared_device', 'They are my class.')"
        db.execute(call, (world.videos["owner"], *day))


def say(statement: str) -> Step:
    return lambda db, world: db.execute(statement.encode())


ACTS: dict[str, Act] = {
    "cancel_payout": Act(say("select cancel_payout(max(id)) from payouts"), "payout.moved", before=asked_for),
    "release_payout": Act(
        say("select release_payout(max(id)) from payouts"), "payout.moved", before=suspected_and_cleared
    ),
    "place_payout_hold": Act(acts.hold, "payout_hold.placed", "reviewer"),
    "release_payout_hold": Act(
        say("select release_payout_hold(max(id), 'all is well') from payout_holds"),
        "payout_hold.released",
        before=held,
    ),
    "claw_back": Act(acts.claw_back, "clawback.made"),
    "reverse_clawback": Act(
        say("select reverse_clawback('k', max(id), 'it was none') from clawbacks"),
        "clawback.reversed",
        before=acts.claw_back,
    ),
    "close_revenue_window": Act(acts.close, "window.closed"),
    "reverse_revenue_window": Act(
        say("select reverse_revenue_window('b', max(id), 'wrong') from revenue_windows"),
        "window.reversed",
        before=paid_in,
    ),
    "decide_proposal": Act(
        say("select decide_proposal(id, false, 'wrong') from window_proposals"),
        "proposal.rejected",
        before=acts.propose,
    ),
    "issue_statements": Act(
        say("select issue_statements(max(id)) from revenue_windows"), "statements.issued", before=paid_in
    ),
    "keep_policy": Act(acts.keep, "policy.created"),
    "record_revenue": Act(record_revenue, "revenue.recorded"),
    "retry_job": Act(say("select retry_job(min(id)) from jobs where status = 'failed'"), "job.retried",
                     before=failed_job),
    "label_account": Act(acts.label, "account.labelled", "reviewer"),
    "decide_reports": Act(decide_reports, "reports.decided", "reviewer", reported),
    "answer_review": Act(
        say("select answer_review(max(id), false, 'One device, one hour.') from review_requests"),
        "review.answered",
        "reviewer",
        asked_to_look,
    ),
    "record_staff_act": Act(acts.portal, "portal.scored_days", "reviewer"),
}  # fmt: skip


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


def staff_functions(db: psycopg.Connection) -> set[str]:
    return {row[0] for row in db.execute(STAFF_FUNCTIONS.encode())}


def test_every_function_by_which_staff_act_is_tried_here(sql_db: psycopg.Connection) -> None:
    assert staff_functions(sql_db) == set(ACTS)


def test_a_new_one_would_be_noticed_also_where_it_asks_through_another(sql_db: psycopg.Connection) -> None:
    """The guard shown red."""
    head = "language plpgsql security definer set search_path = '' as $$ begin"
    sql_db.execute(f"create function shut() returns void {head} perform public.is_admin(); end $$")
    sql_db.execute(f"create function seize() returns void {head} perform public.shut(); end $$")
    assert staff_functions(sql_db) == set(ACTS)
    sql_db.execute("grant execute on function seize() to authenticated")
    assert staff_functions(sql_db) - set(ACTS) == {"seize"}


def test_staff_write_through_functions_alone(sql_db: psycopg.Connection) -> None:
    assert sql_db.execute(STAFF_POLICIES.encode()).fetchall() == []
    sql_db.execute("create policy p on videos for update to authenticated using ((select public.is_reviewer()))")
    assert sql_db.execute(STAFF_POLICIES.encode()).fetchall() == [("p",)]


def rows(db: psycopg.Connection, world: World, act: Act) -> list[tuple[Any, ...]]:
    found = db.execute(
        "select actor_role, actor_id, object_id <> '' and figures <> '{}' from audit_log where action = %s order by id",
        (act.action,),
    )
    return found.fetchall()


@pytest.mark.parametrize("name", ACTS)
def test_the_act_leaves_its_row(name: str, sql_db: psycopg.Connection, world: World) -> None:
    act = ACTS[name]
    act.before(sql_db, world)
    before = len(rows(sql_db, world, act))
    with acting_as(sql_db, act.actor, world):
        act.does(sql_db, world)
    assert rows(sql_db, world, act)[before:] == [(act.actor, world.logins[act.actor], True)]


@pytest.mark.parametrize("name", ACTS)
def test_where_the_row_can_not_be_written_nothing_is_done(name: str, sql_db: psycopg.Connection, world: World) -> None:
    act = ACTS[name]
    act.before(sql_db, world)
    sql_db.execute("alter table audit_log add constraint full_up check (id < 0) not valid")
    with pytest.raises(psycopg.Error), acting_as(sql_db, act.actor, world):
        act.does(sql_db, world)


# -- payout.moved: the steps of a payout that staff took


def moves(db: psycopg.Connection) -> list[tuple[Any, ...]]:
    return db.execute(
        "select actor_role, figures ->> 'from_status', figures ->> 'to_status', reason from audit_log "
        "where action = 'payout.moved' order by id"
    ).fetchall()


def steps_of_staff(db: psycopg.Connection, world: World) -> None:
    """A reviewer holds, an admin lets go, an admin cancels."""
    asked_for(db, world)
    with acting_as(db, "reviewer", world):
        acts.hold(db, world)
    with acting_as(db, "admin", world):
        db.execute("select release_payout_hold(max(id), 'all is well') from payout_holds")
    with acting_as(db, "admin", world):
        db.execute("select cancel_payout(max(id), 'asked by phone') from payouts")


MOVES = [
    ("reviewer", "pending", "held", "looked at"),
    ("admin", "held", "pending", None),
    ("admin", "pending", "canceled", "asked by phone"),
]


def test_steps_that_staff_took_are_written_down_with_both_states(sql_db: psycopg.Connection, world: World) -> None:
    steps_of_staff(sql_db, world)
    assert moves(sql_db) == MOVES
    number = str(one(sql_db, "select max(id) from payouts"))
    assert one(sql_db, "select array_agg(distinct object_id) from audit_log where action = 'payout.moved'") == [number]


def test_without_its_trigger_no_step_is_written_down(sql_db: psycopg.Connection, world: World) -> None:
    """The guard shown red: the steps themselves go on."""
    sql_db.execute("alter table payout_events disable trigger payout_steps_of_staff_are_audited")
    steps_of_staff(sql_db, world)
    assert moves(sql_db) == []
    assert one(sql_db, "select status from payouts") == "canceled"


def test_what_a_creator_or_a_job_does_with_a_payout_is_no_act_of_staff(
    sql_db: psycopg.Connection, world: World
) -> None:
    asked_for(sql_db, world)
    with acting_as(sql_db, "owner", world):
        sql_db.execute("select cancel_payout(max(id)) from payouts")
    chosen = method(sql_db, world)
    request(sql_db, world, key="again", method_id=chosen)
    with acting_as(sql_db, "service_role", world):
        sql_db.execute("select begin_payout_transfer(max(id)) from payouts")
    assert moves(sql_db) == []
