"""Kept policies: the same rules in code and database, versions that stay, refusals that name the setting."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from core.errors import BadInput
from core.settings import Settings
from revenue_split import policies
from revenue_split.errors import MalformedRequest, PolicyUnknown
from revenue_split.policy import CLASSIC_V1, MOST, POLICIES, Policy
from tests.db.world import World, acting_as, one, people


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    return people(sql_db)


@pytest.fixture
def settings(sql_db_url: str) -> Settings:
    return Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="unused", supabase_db_url=sql_db_url)


def test_the_policies_that_come_along_are_the_same_in_code_and_database(settings: Settings) -> None:
    assert {kept.policy.name: kept.policy for kept in policies.listed(settings)} == POLICIES


def test_other_rules_are_the_next_version_and_the_same_rules_again_change_nothing(settings: Settings) -> None:
    higher = policies.keep(settings, replace(CLASSIC_V1, pool_bp=5_000), "more for creators")
    assert (higher.version, higher.pool_bp) == (2, 5_000)
    assert policies.keep(settings, replace(CLASSIC_V1, pool_bp=5_000)) == higher
    assert policies.load(settings, "classic_v1") == higher
    assert policies.load(settings, "classic_v1@1") == CLASSIC_V1
    assert [kept.label for kept in policies.listed(settings, "classic_v1")] == ["classic_v1@2", "classic_v1@1"]


@pytest.mark.parametrize(("text", "says"), [("nobody", "fairshare_v1"), ("classic_v1@9", "classic_v1@1")])
def test_an_unknown_policy_is_refused_with_what_there_is(text: str, says: str, settings: Settings) -> None:
    with pytest.raises(PolicyUnknown, match=says):
        policies.load(settings, text)


def test_a_version_that_is_no_number_is_refused(settings: Settings) -> None:
    with pytest.raises(BadInput, match="NAME@VERSION"):
        policies.load(settings, "classic_v1@latest")


@pytest.mark.parametrize("actor", ["anon", "stranger", "owner", "reviewer"])
def test_only_an_admin_or_a_job_keeps_a_policy(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
        sql_db.execute("select keep_policy(%s)", (Jsonb(CLASSIC_V1.to_json() | {"pool_bp": 1}),))
    assert one(sql_db, "select count(*) from policies") == len(POLICIES)


@pytest.mark.parametrize("actor", ["admin", "service_role"])
def test_an_admin_and_a_job_do(actor: str, sql_db: psycopg.Connection, world: World) -> None:
    with acting_as(sql_db, actor, world):
        sql_db.execute("select keep_policy(%s)", (Jsonb(CLASSIC_V1.to_json() | {"pool_bp": 1}),))
    assert one(sql_db, "select created_by from policies where version = 2") == world.logins.get(actor)


def test_a_version_is_never_changed_removed_or_emptied(sql_db: psycopg.Connection) -> None:
    for statement in (
        "update policies set note = 'x'",
        "delete from policies where name = 'prorata'",
        "truncate policies cascade",
    ):
        with pytest.raises(psycopg.Error) as caught:
            sql_db.execute(statement)
        assert caught.value.sqlstate == "22Z10", statement


WRONG = {
    **{name: {name: 10_001} for name in CLASSIC_V1.to_json() if name.endswith("_bp")},
    **{name: {name: most + 1} for name, most in MOST.items() if name != "streak_low"},
    "min_payout_cents": {"min_payout_cents": 10**14},
    "streak_low": {"streak_low": 70},
    "model": {"model": "Nobody's"},
    "value_rule": {"value_rule": "luck"},
    "kyc_caps_cents": {"kyc_caps_cents": [0, 1, 2]},
    "approval_limit_cents": {"approval_limit_cents": -1},
    "risk_reserve_bp": {"platform_fee_bp": 6_000, "risk_reserve_bp": 5_000},
    "name": {"name": "x y"},
}


@pytest.mark.parametrize("setting", WRONG)
def test_code_and_database_refuse_the_same_settings_by_name(
    setting: str, sql_db: psycopg.Connection, settings: Settings
) -> None:
    rules = CLASSIC_V1.to_json() | WRONG[setting]
    with pytest.raises(BadInput, match=setting):
        Policy.from_json(rules)
    assert sql_field(sql_db, rules) == setting
    assert one(sql_db, "select count(*) from policies") == len(POLICIES)


@pytest.mark.parametrize("setting", [name for name in CLASSIC_V1.to_json() if name != "version"])
def test_a_setting_that_is_missing_is_refused_by_the_database(setting: str, sql_db: psycopg.Connection) -> None:
    rules = {name: value for name, value in CLASSIC_V1.to_json().items() if name != setting}
    assert sql_field(sql_db, rules) == setting


def sql_field(db: psycopg.Connection, rules: dict[str, Any]) -> str:
    """The field that the database's refusal names."""
    with pytest.raises(psycopg.Error) as caught:
        db.execute("select keep_policy(%s)", (Jsonb(rules),))
    assert caught.value.sqlstate == MalformedRequest.code
    return one(db, "select %s::jsonb ->> 'field'", caught.value.diag.message_detail)
