"""Policies on the same events: side by side, nothing written, and no figures where a model has not scored."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from core.settings import Settings
from revenue_split import compare_command, policies
from revenue_split.comparison import by_creator, compare, moved_cents, table_rows
from revenue_split.policy import CLASSIC_V1, FAIRSHARE_V1, PRORATA
from tests.db.test_windows_use_case import INPUTS, WEEK, furnish, invoke
from tests.db.world import World, one


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return furnish(sql_db)


@pytest.fixture
def settings(sql_db_url: str) -> Settings:
    return Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="unused", supabase_db_url=sql_db_url)


def test_the_same_days_under_other_rules_and_what_moves(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    half = replace(PRORATA, name="half", pool_bp=2_000)
    first, second, third = compare(settings, WEEK, INPUTS, [PRORATA, half, FAIRSHARE_V1])
    # 40 % of 1000.00 under the margin, or the 20 % of the other policy; three quarters are the owner's.
    assert [row.get("pool_cents") for row in table_rows([first, second, third])] == [40_000, 20_000, None]
    assert moved_cents(first, first) == 0
    assert moved_cents(first, second) == 20_000
    assert moved_cents(first, third) is None
    assert "not scored" in str(third.why)
    table = by_creator([first, second, third]).to_pylist()
    assert table == [
        {"creator_id": world.users["owner"], "prorata@1": 30_000, "half@1": 15_000},
        {"creator_id": world.users["other"], "prorata@1": 10_000, "half@1": 5_000},
    ]
    for name in ("revenue_windows", "ledger_entries", "window_proposals"):
        assert one(sql_db, f"select count(*) from {name}") == 0


def test_rules_that_differ_are_named() -> None:
    found = policies.differences([CLASSIC_V1, replace(CLASSIC_V1, pool_bp=5_000, gamma=3)])
    assert found == [("gamma", [2, 3]), ("pool_bp", [4_500, 5_000])]


def test_the_command_prints_a_row_a_policy(settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    days = ("--start", "2026-01-01", "--end", "2026-01-08", "--gross-cents", "100000")
    command = ("prorata", "classic_v1", *days)
    code, text = invoke(monkeypatch, settings, compare_command, compare_command.main, *command)
    assert (code, "prorata@1" in text, "400.00" in text) == (0, True, True)
    assert invoke(monkeypatch, settings, compare_command, compare_command.main, "nobody", *days)[0] == 2
