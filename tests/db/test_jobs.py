"""Due work: planned once, done once, tried again with a growing wait, visible whatever came of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from core.errors import ConfigError, StackError
from core.settings import Settings
from revenue_split import jobs, policies, revenue_inputs
from revenue_split.errors import NotThisJob
from revenue_split.jobs import run_due
from revenue_split.mail import LocalMailbox, Message, mailer
from revenue_split.policy import CLASSIC_V1, PoolInputs
from tests.db.test_monthly import JANUARY, PLAN, furnish
from tests.db.test_windows_use_case import invoke
from tests.db.world import acting_as, call_close, closing, one, people


@pytest.fixture
def settings(sql_db_url: str, tmp_path: Path) -> Settings:
    return Settings(
        supabase_url="http://127.0.0.1:1",
        supabase_publishable_key="unused",
        supabase_db_url=sql_db_url,
        fairshare_mailbox_dir=tmp_path / "mail",
    )


def states(db: psycopg.Connection) -> dict[str, str]:
    return dict(db.execute("select kind, status from jobs order by id").fetchall())


def fail(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    raise StackError("not today")


ALL_FAIL = dict.fromkeys(jobs.HANDLERS, fail)


def test_a_recorded_month_is_closed_stated_and_mailed_without_a_button(
    sql_db: psycopg.Connection, settings: Settings
) -> None:
    world = furnish(sql_db)
    revenue_inputs.record(settings, JANUARY.window, PLAN.inputs, CLASSIC_V1)
    done = run_due(settings)
    assert {one_.job.kind: one_.outcome for one_ in done} == {
        "check_ledger": "done", "monthly_close": "done", "statement_mail": "done",
    }  # fmt: skip
    mails = [json.loads(path.read_text()) for path in (settings.fairshare_mailbox_dir or Path()).glob("*.json")]
    assert sorted(mail["to"] for mail in mails) == ["other@example.org", "owner@example.org"]
    assert one(sql_db, "select count(*) from statement_mails") == 2
    assert world.users
    # Again: nothing is due, and nothing is done twice.
    assert run_due(settings) == []
    assert one(sql_db, "select count(*) from revenue_windows") == 1


def test_planned_twice_it_is_one_job(sql_db: psycopg.Connection, settings: Settings) -> None:
    assert jobs.plan(settings) == 1
    assert jobs.plan(settings) == 0
    assert one(sql_db, "select plan_jobs(now() + interval '1 day')") == 1


def test_a_reserve_that_is_due_is_released(sql_db: psycopg.Connection, settings: Settings) -> None:
    world = people(sql_db)
    call_close(sql_db, "k", closing(world, {"owner": 5_000}, policy={"hold_days": 0}))
    run_due(settings)
    assert one(sql_db, "select count(*) from reserves where released_at is not null") == 1
    assert states(sql_db)["release_reserves"] == "done"


def test_a_window_that_somebody_closed_gets_its_statements_and_mails(
    sql_db: psycopg.Connection, settings: Settings
) -> None:
    call_close(sql_db, "k", closing(people(sql_db), {"owner": 5_000}))
    run_due(settings)
    assert one(sql_db, "select count(*) from statements") == 1
    assert one(sql_db, "select count(*) from statement_mails") == 1


def test_a_reserve_that_is_not_due_makes_no_job(sql_db: psycopg.Connection, settings: Settings) -> None:
    call_close(sql_db, "k", closing(people(sql_db), {"owner": 5_000}))
    jobs.plan(settings)
    assert "release_reserves" not in states(sql_db)


def test_a_failure_is_tried_again_after_a_growing_wait_and_is_dead_after_the_eighth(
    sql_db: psycopg.Connection, settings: Settings
) -> None:
    waits = []
    for _ in range(8):
        done = run_due(settings, handlers=ALL_FAIL)
        assert [one_.outcome for one_ in done] == ["failed"]
        assert run_due(settings, handlers=ALL_FAIL) == []
        waits.append(one(sql_db, "select round(extract(epoch from next_attempt_at - now()) / 60)::int from jobs"))
        sql_db.execute("update jobs set next_attempt_at = now() where status = 'failed'")
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 64]
    assert states(sql_db) == {"check_ledger": "dead"}
    assert sql_db.execute("select attempt, outcome, error from job_runs order by id").fetchall() == [
        (attempt, "failed", "not today") for attempt in range(1, 9)
    ]
    with pytest.raises(NotThisJob):
        jobs.calls.call(settings, "retry_job", p_job_id=10**9)
    jobs.calls.call(settings, "retry_job", p_job_id=one(sql_db, "select id from jobs"))
    assert [one_.outcome for one_ in run_due(settings)] == ["done"]


def test_what_needs_a_person_first_is_put_off_and_never_dies(sql_db: psycopg.Connection, settings: Settings) -> None:
    world = furnish(sql_db)
    strict = policies.keep(settings, replace(CLASSIC_V1, approval_limit_cents=1))
    revenue_inputs.record(settings, JANUARY.window, PoolInputs(gross_cents=100_000), strict)
    for _ in range(10):
        done = {one_.job.kind: one_ for one_ in run_due(settings)}
        assert done["monthly_close"].outcome == "deferred"
        assert "waits for the approval" in done["monthly_close"].words
        sql_db.execute("update jobs set next_attempt_at = now() where status = 'waiting'")
    with acting_as(sql_db, "admin", world):
        sql_db.execute("select decide_proposal(id, true) from window_proposals")
    assert {one_.job.kind: one_.outcome for one_ in run_due(settings)}["monthly_close"] == "done"


def test_a_bug_is_written_down_and_not_swallowed(sql_db: psycopg.Connection, settings: Settings) -> None:
    def bug(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
        raise ZeroDivisionError("by zero")

    with pytest.raises(ZeroDivisionError):
        run_due(settings, handlers=dict.fromkeys(jobs.HANDLERS, bug))
    assert one(sql_db, "select last_error from jobs") == "ZeroDivisionError: by zero"
    assert states(sql_db) == {"check_ledger": "failed"}


def test_two_workers_never_have_the_same_job(sql_db: psycopg.Connection, settings: Settings) -> None:
    sql_db.execute("select plan_jobs(now() - n * interval '1 day') from generate_series(0, 19) n")
    ran: list[str] = []
    together = threading.Barrier(4)

    def note(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def work(name: str) -> None:
        together.wait()
        ran.extend(done.job.key for done in run_due(settings, worker=name, handlers=dict.fromkeys(jobs.HANDLERS, note)))

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ran) == len(set(ran)) == 20
    assert one(sql_db, "select count(*) from job_runs") == 20


def test_a_worker_that_died_is_another_ones_turn_and_comes_too_late_itself(
    sql_db: psycopg.Connection, settings: Settings
) -> None:
    jobs.plan(settings)
    first = jobs._claim(settings, "dies")
    assert first is not None
    assert jobs._claim(settings, "early") is None
    sql_db.execute("update jobs set locked_until = now() - interval '1 second'")
    second = jobs._claim(settings, "next")
    assert second is not None
    assert (second.job_id, second.attempt) == (first.job_id, 2)
    with pytest.raises(NotThisJob):
        jobs._finish(settings, "dies", first, "done", {}, None)
    assert jobs._finish(settings, "next", second, "done", {}, None) == "done"
    assert [row[0] for row in sql_db.execute("select outcome from job_runs order by id")] == ["lost", "done"]


def test_a_lease_is_renewed_while_the_work_takes(
    sql_db: psycopg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "RENEW_S", 0.05)
    seen: list[Any] = []

    def slow(settings: Settings, arguments: Mapping[str, Any]) -> dict[str, Any]:
        until = "select locked_until from jobs"
        before = one(sql_db, until)
        for _ in range(200):
            if one(sql_db, until) > before:
                seen.append("renewed")
                break
            threading.Event().wait(0.05)
        return {}

    run_due(settings, handlers=dict.fromkeys(jobs.HANDLERS, slow))
    assert seen == ["renewed"]


def test_books_out_of_order_fail_the_check_and_say_which(sql_db: psycopg.Connection, settings: Settings) -> None:
    call_close(sql_db, "k", closing(people(sql_db), {"owner": 5_000}))
    sql_db.execute("set session_replication_role = replica")
    sql_db.execute("update ledger_accounts set balance_cents = balance_cents + 1 where kind = 'residual'")
    sql_db.execute("update ledger_accounts set balance_cents = balance_cents + 1 where kind = 'platform_fee'")
    done = run_due(settings)
    assert (done[0].outcome, "I02" in done[0].words) == ("failed", True)


def test_mail_goes_to_the_mailbox_once_and_nowhere_without_one(settings: Settings, tmp_path: Path) -> None:
    box = LocalMailbox(tmp_path / "box")
    for text in ("first", "again"):
        box.send(Message(key="statement:1", to="a@example.org", subject="s", text=text))
    assert [json.loads(path.read_text())["text"] for path in (tmp_path / "box").iterdir()] == ["first"]
    for elsewhere in ({"fairshare_mailbox_dir": None}, {"supabase_url": "https://project.supabase.co"}):
        with pytest.raises(ConfigError, match="no way to send mail"):
            mailer(settings.model_copy(update=elsewhere))


def test_admins_see_jobs_and_start_them_again_and_creators_do_not(
    sql_db: psycopg.Connection, settings: Settings
) -> None:
    world = people(sql_db)
    run_due(settings, handlers=ALL_FAIL)
    number = one(sql_db, "select id from jobs")
    with acting_as(sql_db, "admin", world):
        assert one(sql_db, "select last_error from jobs") == "not today"
        sql_db.execute("select retry_job(%s)", (number,))
    for actor in ("owner", "reviewer"):
        with acting_as(sql_db, actor, world):
            assert one(sql_db, "select count(*) from jobs") == 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            sql_db.execute("select retry_job(%s)", (number,))


def test_the_commands_run_list_plan_and_retry(
    sql_db: psycopg.Connection, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def command(*arguments: str) -> tuple[int, str]:
        return invoke(monkeypatch, settings, jobs, jobs.app, *arguments)

    assert command("plan") == (0, "1 new jobs\n")
    code, text = command("run")
    assert (code, "done (invariants" in text) == (0, True)
    assert "check_ledger:" in command("list")[1]
    assert command("retry", "1")[0] == 2
