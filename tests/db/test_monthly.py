"""A month, from events to statements: once, however often it is run and wherever it was killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from core.errors import BadInput
from core.settings import ROOT, Settings
from revenue_split import ledger_checks, monthly, policies, revenue_inputs, reversal, statements
from revenue_split.errors import AwaitingApproval, KeyReused, NoStatements
from revenue_split.monthly import Month, run_month
from revenue_split.policy import CLASSIC_V1, PoolInputs
from revenue_split.revenue_inputs import Recorded
from tests.conftest import TEMPLATE, RunningStack
from tests.db.world import World, acting_as, call_close, closing, one, people

JANUARY = Month.parse("2026-01")
PLAN = Recorded(PoolInputs(gross_cents=100_000), "classic_v1@1", "USD")


def furnish(db: psycopg.Connection) -> World:
    """Two creators with a few viewers on three days of January."""
    world = people(db)
    db.execute("select ensure_event_partitions('2026-01-01', '2026-01-31')")
    viewer = "insert into users (created_at) select '2025-01-01 00:00+00' from generate_series(1, 20)"
    db.execute(viewer)
    db.execute(
        "insert into event (video_id, user_id, event_type, ts) "
        "select v.id, u.id, k.kind, d + u.id * interval '7 minutes' "
        "from (select id from videos) v, (select id from users where not is_creator and id > 5) u, "
        "(values ('view'), ('like'), ('comment')) k(kind), "
        "unnest(array['2026-01-03 08:00+00', '2026-01-10 08:00+00', '2026-01-31 08:00+00']::timestamptz[]) d "
        "where (v.id + u.id) % 3 <> 0"
    )
    return world


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return furnish(sql_db)


@pytest.fixture
def settings(sql_db_url: str) -> Settings:
    return Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="unused", supabase_db_url=sql_db_url)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_month_is_scored_closed_and_stated_and_a_second_run_changes_nothing(
    sql_db: psycopg.Connection, settings: Settings, world: World, tmp_path: Path
) -> None:
    first = run_month(settings, JANUARY, PLAN, out=tmp_path / "a")
    assert first.closed is not None
    assert (first.closed["replayed"], first.statements) == (False, 2)
    entries = one(sql_db, "select count(*) from ledger_entries")
    second = run_month(settings, JANUARY, PLAN, out=tmp_path / "b")
    assert second.closed == first.closed | {"replayed": True}
    assert one(sql_db, "select count(*) from ledger_entries") == entries
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert not [found for found in ledger_checks.check(sql_db) if found.rows]
    report = json.loads((tmp_path / "a" / "report.json").read_text())
    parts = ("pay_now_cents", "platform_fee_cents", "reserve_cents", "carried_cents", "residual_cents")
    assert sum(report[name] for name in parts) == report["pool_cents"] == first.closed["pool_cents"]


def test_a_dry_run_scores_and_writes_no_money(sql_db: psycopg.Connection, settings: Settings, world: World) -> None:
    run = run_month(settings, JANUARY, PLAN, dry_run=True)
    assert (run.closed, run.scored_days) == (None, 31)
    for table in ("revenue_windows", "ledger_entries", "statements", "revenue_inputs"):
        assert one(sql_db, f"select count(*) from {table}") == 0


def test_a_month_with_other_figures_is_refused(settings: Settings, world: World) -> None:
    run_month(settings, JANUARY, PLAN)
    with pytest.raises(KeyReused):
        run_month(settings, JANUARY, replace(PLAN, inputs=PoolInputs(gross_cents=1)))


def test_after_a_reversal_the_month_is_closed_and_stated_as_its_next_version(
    sql_db: psycopg.Connection, settings: Settings, world: World, tmp_path: Path
) -> None:
    first = run_month(settings, JANUARY, PLAN, out=tmp_path)
    assert first.closed is not None
    before = files(tmp_path)
    reversal.reverse(settings, first.closed["revenue_window_id"], "wrong gross", "back")
    again = replace(PLAN, inputs=PoolInputs(gross_cents=90_000))
    second = run_month(settings, JANUARY, again, out=tmp_path)
    assert second.closed is not None
    assert second.closed["version"] == 2
    numbers = [row[0] for row in sql_db.execute("select number from statements order by number")]
    assert [number.split("-", 1)[1] for number in numbers] == [
        "20260131-1-000001", "20260131-1-000002", "20260131-2-000001", "20260131-2-000002",
    ]  # fmt: skip
    # What was issued before stays as it was.
    old = list(statements.of_window(settings, first.closed["revenue_window_id"]))
    assert [statements.to_csv(one_) for one_ in old] == [before[f"{one_.number}.csv"] for one_ in old]
    assert not [found for found in ledger_checks.check(sql_db) if found.rows]


def test_above_the_limit_the_month_waits_and_goes_on_after_the_approval(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    strict = policies.keep(settings, replace(CLASSIC_V1, approval_limit_cents=1))
    plan = replace(PLAN, policy=f"{strict.name}@{strict.version}")
    for _ in range(2):
        with pytest.raises(AwaitingApproval):
            run_month(settings, JANUARY, plan)
    assert one(sql_db, "select count(*) from window_proposals") == 1
    with acting_as(sql_db, "admin", world):
        sql_db.execute("select decide_proposal(id, true) from window_proposals")
    assert run_month(settings, JANUARY, plan).statements == 2


def test_a_month_whose_approval_came_too_late_is_asked_for_anew(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    """By itself, and with the figures of the day: the timer that asks again needs nobody to find a new key."""
    strict = policies.keep(settings, replace(CLASSIC_V1, approval_limit_cents=1))
    plan = replace(PLAN, policy=f"{strict.name}@{strict.version}")
    with pytest.raises(AwaitingApproval):
        run_month(settings, JANUARY, plan)
    with sql_db.transaction():
        sql_db.execute("set local session_replication_role = replica")
        sql_db.execute("update window_proposals set expires_at = now()")
    with pytest.raises(AwaitingApproval):
        run_month(settings, JANUARY, replace(plan, inputs=PoolInputs(gross_cents=120_000)))
    assert [row[0] for row in sql_db.execute("select status from window_proposals order by id")] == ["expired", "open"]
    with acting_as(sql_db, "admin", world):
        sql_db.execute("select decide_proposal(max(id), true) from window_proposals")
    assert run_month(settings, JANUARY, replace(plan, inputs=PoolInputs(gross_cents=120_000))).statements == 2


def test_a_given_pool_is_the_pool(settings: Settings, world: World) -> None:
    run = run_month(settings, JANUARY, replace(PLAN, inputs=PoolInputs(given_pool_cents=12_345)))
    assert run.closed is not None
    assert run.closed["pool_cents"] == 12_345


def test_recorded_revenue_is_what_the_command_takes(settings: Settings, world: World) -> None:
    assert revenue_inputs.recorded(settings, JANUARY.window) is None
    for gross in (1, 100_000, 100_000):
        revenue_inputs.record(settings, JANUARY.window, PoolInputs(gross_cents=gross), CLASSIC_V1)
    assert revenue_inputs.recorded(settings, JANUARY.window) == PLAN


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-1", "0000-01", "2026-00", "x", "9999-12"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="not a month"):
        Month.parse(text)


def test_a_month_that_is_not_over_is_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="not over"):
        run_month(settings, Month.parse("2099-12"), PLAN)


def test_statements_are_for_windows_that_stand(sql_db: psycopg.Connection, settings: Settings, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    reversal.reverse(settings, done["revenue_window_id"], "wrong", "back")
    with pytest.raises(NoStatements):
        statements.issue(settings, done["revenue_window_id"])
    with pytest.raises(NoStatements):
        statements.issue(settings, 10**12)


def test_an_issued_statement_is_never_changed(sql_db: psycopg.Connection, settings: Settings, world: World) -> None:
    done = call_close(sql_db, "k", closing(world, {"owner": 5_000}))
    statements.issue(settings, done["revenue_window_id"])
    for statement in ("update statements set figures = '{}'", "delete from statements", "truncate statements cascade"):
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement.encode())
        assert caught.value.sqlstate == "22Z10"


#: The run is killed as soon as one of these is true, in this order: while it scores, closes, states, writes files.
MOMENTS = (
    "select count(*) > 0 from scored_days",
    "select count(*) > 20 from scored_days",
    "select count(*) > 0 from revenue_windows",
    "select count(*) > 0 from statements",
)


def test_killed_at_any_moment_the_same_command_ends_with_the_same_bytes(stack: RunningStack, tmp_path: Path) -> None:
    """Two equal databases: one run goes through, the other is killed again and again by SIGKILL, each time later."""
    server = stack.stack.postgres
    server.create_database("month_a", template=TEMPLATE)
    try:
        with psycopg.connect(server.url("month_a"), autocommit=True) as db:
            furnish(db)
        server.create_database("month_b", template="month_a")
        assert command(server.url("month_a"), tmp_path / "a").wait(120) == 0
        with psycopg.connect(server.url("month_b"), autocommit=True) as db:
            for moment in MOMENTS:
                process = command(server.url("month_b"), tmp_path / "b")
                while process.poll() is None and not one(db, moment):
                    time.sleep(0.001)
                process.kill()
                process.wait(30)
            assert command(server.url("month_b"), tmp_path / "b").wait(120) == 0
            assert len(files(tmp_path / "a")) == 6
            assert files(tmp_path / "a") == files(tmp_path / "b")
            assert one(db, "select count(*) from revenue_windows") == 1
            assert not [found for found in ledger_checks.check(db) if found.rows]
    finally:
        server.drop_database("month_a")
        server.drop_database("month_b")


def command(url: str, out: Path) -> subprocess.Popen[bytes]:
    """`./run monthly` as a process of its own on this database."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SUPABASE", "FAIRSHARE"))}
    environment |= {
        "SUPABASE_URL": "http://127.0.0.1:1",
        "SUPABASE_PUBLISHABLE_KEY": "unused",
        "SUPABASE_DB_URL": url,
    }
    arguments = ["monthly", "2026-01", "--gross-cents", "100000", "--policy", "classic_v1", "--out", str(out)]
    return subprocess.Popen(
        [sys.executable, "cli.py", *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )


def test_the_command_says_what_is_missing(settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monthly, "load_settings", lambda stack: settings)
    with pytest.raises(BadInput, match="no revenue is recorded for 2026-01"):
        monthly.main("2026-01")
