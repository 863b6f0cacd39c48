"""Preview and close from Python, over SQL and over the data API, on kept scores; and the command line around them."""

from __future__ import annotations

import json
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer
from typer.testing import CliRunner

import supabase_conn
from core.errors import BadInput, FairshareError, StackError
from core.settings import Settings
from core.timewindows import Window, parse_utc
from revenue_split import calls, ledger_checks, policies, reversal, windows
from revenue_split.errors import (
    AwaitingApproval,
    DaysNotScored,
    KeyReused,
    NotAllowed,
    ProposalSettled,
    StalePreview,
    WindowNotClosed,
    WindowOverlaps,
)
from revenue_split.monthly import platform_report
from revenue_split.policy import POLICIES, PoolInputs
from supabase_conn import user_client
from tests.conftest import RunningStack
from tests.db.world import World, acting_as, one, people, post

WEEK = Window(parse_utc("2026-01-01"), parse_utc("2026-01-08"))
POLICY = POLICIES["prorata"]
INPUTS = PoolInputs(gross_cents=100_000)


def furnish(db: psycopg.Connection, *, owner_units: int = 300, other_units: int = 100) -> World:
    """Two creators with one video each and kept scores of one day."""
    world = people(db)
    db.execute("select ensure_event_partitions('2026-01-01', '2026-01-07')")
    for name, units in (("owner", owner_units), ("other", other_units)):
        db.execute(
            "insert into event (video_id, user_id, event_type, ts) values (%s, %s, 'view', '2026-01-03 12:00+00')",
            (world.videos[name], world.users["stranger"]),
        )
        db.execute(
            "insert into video_aggregates (video_id, window_start, window_end, model, eis, eng_units) "
            "values (%s, '2026-01-03 00:00+00', '2026-01-04 00:00+00', 'classic_v1', 60, %s)",
            (world.videos[name], units),
        )
    db.execute("insert into scored_days values ('2026-01-03 00:00+00', '2026-01-04 00:00+00', 'classic_v1', 2, 2)")
    return world


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return furnish(sql_db)


@pytest.fixture
def settings(sql_db_url: str) -> Settings:
    return Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="unused", supabase_db_url=sql_db_url)


def rows(db: psycopg.Connection) -> tuple[int, int]:
    return one(db, "select count(*) from revenue_windows"), one(db, "select count(*) from ledger_entries")


def test_a_preview_computes_everything_and_writes_nothing(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    figures = windows.preview(settings, WEEK, INPUTS, POLICY)
    # 45 % of 1000.00, but 60 % of gross must stay: 400.00; 300 of 400 units are the owner's.
    assert figures.result.pool_cents == 40_000
    creators = {row["creator_id"]: row["capped_cents"] for row in figures.result.creators.to_pylist()}
    assert creators == {world.users["owner"]: 30_000, world.users["other"]: 10_000}
    assert rows(sql_db) == (0, 0)


def test_what_was_previewed_is_what_is_closed_and_a_retry_changes_nothing(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    figures = windows.preview(settings, WEEK, INPUTS, POLICY)
    done = windows.close(settings, figures, "k")
    assert (done["pool_cents"], done["creators"], done["replayed"]) == (40_000, 2, False)
    assert windows.close(settings, figures, "k") == done | {"replayed": True}
    assert windows.closed_before(settings, "k", WEEK, INPUTS, POLICY) == done | {"replayed": True}
    assert not [found for found in ledger_checks.check(sql_db) if found.rows]


def test_refusals_carry_their_object(sql_db: psycopg.Connection, settings: Settings, world: World) -> None:
    figures = windows.preview(settings, WEEK, INPUTS, POLICY)
    done = windows.close(settings, figures, "k")
    with pytest.raises(WindowOverlaps) as overlap:
        windows.close(settings, figures, "another key")
    assert overlap.value.details["revenue_window_id"] == done["revenue_window_id"]
    with pytest.raises(KeyReused):
        windows.closed_before(settings, "k", WEEK, PoolInputs(gross_cents=1), POLICY)


def test_a_balance_that_moved_since_the_preview_is_noticed(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    # other: 2 of 1002 units of 40000 cents are 80, of which 8 + 8 are fee and reserve, and 64 wait for the minimum.
    sql_db.execute("update video_aggregates set eng_units = 2 where video_id = %s", (world.videos["other"],))
    sql_db.execute("update video_aggregates set eng_units = 1000 where video_id = %s", (world.videos["owner"],))
    figures = windows.preview(settings, WEEK, INPUTS, POLICY)
    post(sql_db, "x", ("platform_revenue", None, -950), ("creator_carried", world.users["other"], 950))
    with pytest.raises(StalePreview) as stale:
        windows.close(settings, figures, "k")
    assert stale.value.details["creator_id"] == world.users["other"]
    assert one(sql_db, "select count(*) from revenue_windows") == 0
    windows.close(settings, windows.preview(settings, WEEK, INPUTS, POLICY), "k")


def test_a_day_with_events_and_no_scores_is_refused_by_name(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    sql_db.execute("delete from scored_days")
    with pytest.raises(DaysNotScored, match="2026-01-03"):
        windows.preview(settings, WEEK, INPUTS, POLICY)


@pytest.mark.parametrize(
    ("start", "end", "says"),
    [("2026-01-01T12:00", "2026-01-08", "whole days"), ("2026-01-01", "2099-01-01", "not over")],
)
def test_a_window_of_half_days_or_of_the_future_is_refused(
    start: str, end: str, says: str, settings: Settings, world: World
) -> None:
    with pytest.raises(BadInput, match=says):
        windows.preview(settings, Window(parse_utc(start), parse_utc(end)), INPUTS, POLICY)


def test_more_cents_than_can_be_computed_with_are_refused(settings: Settings, world: World) -> None:
    with pytest.raises(BadInput, match="gross_cents"):
        windows.preview(settings, WEEK, PoolInputs(gross_cents=10**14), POLICY)
    alone = policies.keep(settings, replace(POLICY, approval_limit_cents=None))
    figures = windows.preview(settings, WEEK, PoolInputs(gross_cents=10**14 - 1), alone)
    assert windows.close(settings, figures, "k")["pool_cents"] == figures.result.pool_cents


def test_caps_of_kyc_and_no_caps(sql_db: psycopg.Connection, settings: Settings, world: World) -> None:
    sql_db.execute("update users set kyc_level = 1 where id = %s", (world.users["owner"],))
    sql_db.execute("update users set kyc_level = null where id = %s", (world.users["other"],))
    capped = windows.preview(settings, WEEK, INPUTS, POLICY)
    assert (capped.result.allocated_cents, capped.result.residual_cents) == (5_000, 35_000)
    windows.close(settings, capped, "k")
    free = windows.preview(settings, WEEK, INPUTS, POLICY, use_caps=False, kind="bonus")
    assert free.result.residual_cents == 0
    windows.close(settings, free, "k2")


def run(monkeypatch: pytest.MonkeyPatch, settings: Settings, *arguments: str, stdin: str = "") -> tuple[int, str]:
    return invoke(monkeypatch, settings, windows, windows.main, *arguments, stdin=stdin)


def invoke(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, module: Any, target: Any, *arguments: str, stdin: str = ""
) -> tuple[int, str]:
    """Exit code and output, or the sentence of the refusal."""
    monkeypatch.setattr(module, "load_settings", lambda stack: settings)
    application = target if isinstance(target, typer.Typer) else typer.Typer()
    if application is not target:
        application.command()(target)
    result = CliRunner().invoke(application, list(arguments), input=stdin)
    if isinstance(result.exception, FairshareError):
        return result.exception.exit_code, result.exception.sentence
    return result.exit_code, result.output


ARGUMENTS = ("--start", "2026-01-01", "--end", "2026-01-08", "--gross-cents", "100000", "--policy", "prorata")


def test_the_command_previews_asks_closes_and_is_safe_to_run_again(
    sql_db: psycopg.Connection, settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, settings, *ARGUMENTS, "--preview")[0] == 0
    assert run(monkeypatch, settings, *ARGUMENTS, stdin="n\n")[0] == 1
    assert rows(sql_db) == (0, 0)
    code, text = run(monkeypatch, settings, *ARGUMENTS, "--yes")
    assert code == 0
    assert re.search(r"pool +400\.00 USD", text)
    after = rows(sql_db)
    code, text = run(monkeypatch, settings, *ARGUMENTS, "--yes")
    assert (code, "was closed before, nothing changed" in text) == (0, True)
    code, text = run(monkeypatch, settings, *ARGUMENTS[:-3], "200000", *ARGUMENTS[-2:], "--yes")
    assert (code, "with other inputs" in text) == (2, True)
    code, text = run(monkeypatch, settings, *ARGUMENTS, "--key", "another", "--yes")
    assert (code, "overlaps" in text) == (2, True)
    assert rows(sql_db) == after


def test_a_close_above_the_limit_waits_and_says_for_whom(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    strict = policies.keep(settings, replace(POLICY, approval_limit_cents=39_999))
    figures = windows.preview(settings, WEEK, INPUTS, strict)
    with pytest.raises(AwaitingApproval, match="another admin") as waits:
        windows.close(settings, figures, "k")
    assert rows(sql_db) == (0, 0)
    with acting_as(sql_db, "admin", world):
        sql_db.execute("select decide_proposal(%s, false, 'not this month')", (waits.value.details["proposal_id"],))
    with pytest.raises(ProposalSettled, match="not this month"):
        windows.close(settings, figures, "k")


def test_a_window_is_reversed_and_closed_anew_from_the_command_line(
    sql_db: psycopg.Connection, settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, settings, *ARGUMENTS, "--yes")[0] == 0
    number = one(sql_db, "select id from revenue_windows")
    back = (str(number), "--reason", "wrong costs", "--yes")
    for words in ("is reversed", "was reversed before, nothing changed"):
        code, text = invoke(monkeypatch, settings, reversal, reversal.main, *back)
        assert (code, words in text) == (0, True)
    code, text = run(monkeypatch, settings, *ARGUMENTS, "--yes")
    assert (code, "was reversed; close its next version" in text) == (2, True)
    code, text = run(monkeypatch, settings, *ARGUMENTS, "--key", "second", "--yes")
    assert (code, "(version 2) is closed" in text) == (0, True)


def test_policies_are_listed_shown_and_added_from_the_command_line(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def policies_command(*arguments: str) -> tuple[int, str]:
        return invoke(monkeypatch, settings, policies, policies.app, *arguments)

    assert "prorata@1" in policies_command("list")[1]
    rules = json.loads(policies_command("show", "prorata")[1])
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules | {"pool_bp": 5_000}))
    for _ in range(2):
        assert policies_command("add", str(file), "--note", "more") == (0, "prorata@2 is kept\n")
    file.write_text("{")
    code, text = policies_command("add", str(file))
    assert (code, "can not be read as JSON" in text) == (2, True)
    file.write_text(json.dumps({"name": "x", "pool_bp": 10_001}))
    assert policies_command("add", str(file)) == (2, "column pool_bp: 10001 basis points are more than 100 %")
    assert policies_command("show", "nobody")[0] == 2


def test_over_the_data_api_a_job_and_an_admin_close_and_a_creator_does_not(stack: RunningStack) -> None:
    """The whole way through HTTP: pages, the caller's role, and refusals with their codes."""
    without_sql = stack.settings.model_copy(update={"supabase_db_url": None})
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        clients = {}
        for name in ("owner", "admin"):
            client = user_client(stack.settings)
            email = f"{name}-{uuid.uuid4().hex[:8]}@example.org"
            client.auth.sign_up({"email": email, "password": "correct horse battery"})
            db.execute("update auth.users set email_confirmed_at = now() where email = %s", (email,))
            client.auth.sign_in_with_password({"email": email, "password": "correct horse battery"})
            clients[name] = client
        ids = {
            name: one(db, "select id from users where auth_id = %s", client.auth.get_user().user.id)  # type: ignore[union-attr]
            for name, client in clients.items()
        }
        db.execute("insert into staff (user_id, role) values (%s, 'admin')", (ids["admin"],))
        db.execute("update users set kyc_level = 3 where id = %s", (ids["owner"],))
        video = one(db, "insert into videos (creator_id) values (%s) returning id", ids["owner"])
        db.execute(
            "insert into video_aggregates (video_id, window_start, window_end, model, eis, eng_units) "
            "values (%s, '2019-05-03 00:00+00', '2019-05-04 00:00+00', 'classic_v1', 60, 10)",
            (video,),
        )
    week = Window(parse_utc("2019-05-01"), parse_utc("2019-05-08"))
    figures = windows.preview(without_sql, week, INPUTS, POLICY)
    assert figures.result.allocated_cents == 40_000
    with pytest.raises(NotAllowed):
        windows.close(clients["owner"], figures, "over http")
    done = windows.close(clients["admin"], figures, "over http")
    assert windows.close(without_sql, figures, "over http") == done | {"replayed": True}
    assert windows.closed_before(without_sql, "over http", week, INPUTS, POLICY) == done | {"replayed": True}
    with pytest.raises(WindowOverlaps):
        windows.close(without_sql, figures, "another")
    number = done["revenue_window_id"]
    assert platform_report(without_sql, number) == platform_report(stack.settings, number)


def test_a_close_is_waited_for_longer_than_other_calls(stack: RunningStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bug that this stops: a window is closed, and the admin is told that nobody answers."""
    monkeypatch.setattr(supabase_conn, "_TIMEOUT_S", 0.5)
    without_sql = stack.settings.model_copy(update={"supabase_db_url": None})

    def answered_late(how: Callable[[], object]) -> object:
        """Another close holds the lock for longer than a usual call waits."""
        with psycopg.connect(stack.db_url) as db:
            db.execute("select lock_windows()")
            letting_go = threading.Timer(1.5, db.rollback)
            letting_go.start()
            try:
                return how()
            finally:
                letting_go.join()

    with pytest.raises(WindowNotClosed):
        answered_late(lambda: reversal.reverse(without_sql, 10**12, "never closed", "late"))
    arguments = {"p_idempotency_key": "late", "p_revenue_window_id": 10**12, "p_reason": "never closed"}
    with pytest.raises(StackError, match="does not answer"):
        answered_late(lambda: calls.call(without_sql, "reverse_revenue_window", **arguments))
