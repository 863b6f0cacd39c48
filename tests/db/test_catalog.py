"""What the catalog must say of every table, view and function, whoever added it: deny by default."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from core.settings import Settings
from local_stack.stack import DATABASE, Stack

API_ROLES = ("anon", "authenticated", "service_role")
QUESTIONS = {
    "tables without row-level security": """
        select relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relrowsecurity""",
    "views that run as their owner": """
        select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'v'
          and not coalesce('security_invoker=true' = any(reloptions), false)""",
    "functions that find their names wherever the caller says": """
        select proname from pg_proc where pronamespace = 'public'::regnamespace
          and not coalesce('search_path=""' = any(proconfig), false)""",
    "functions that everybody may call": """
        select proname from pg_proc where pronamespace = 'public'::regnamespace
          and (proacl is null or exists (select from aclexplode(proacl) a where a.grantee = 0))""",
    "tables that everybody may touch": """
        select relname from pg_class where relnamespace = 'public'::regnamespace
          and exists (select from aclexplode(relacl) a where a.grantee = 0)""",
    "what anon may touch": """
        select relname from pg_class where relnamespace = 'public'::regnamespace
          and exists (select from aclexplode(relacl) a where a.grantee = 'anon'::regrole)""",
    "tables, views and functions without a comment": """
        select relname from pg_class where relnamespace = 'public'::regnamespace
          and relkind in ('r', 'p', 'v') and not relispartition and obj_description(oid, 'pg_class') is null
        union all
        select proname from pg_proc where pronamespace = 'public'::regnamespace
          and obj_description(oid, 'pg_proc') is null""",
    "policies that are not named by a sentence": """
        select policyname from pg_policies where schemaname = 'public' and policyname !~ '^[A-Z][a-z]+ .+ ' """,
    "policies for every verb or every role": """
        select policyname from pg_policies
        where schemaname = 'public' and (cmd = 'ALL' or roles <> '{authenticated}')""",
    "policies that let a row be moved to somebody else": """
        select policyname from pg_policies where schemaname = 'public' and cmd = 'UPDATE' and with_check is null""",
    "policies that ask who is there once a row": """
        select policyname from pg_policies where schemaname = 'public'
          and coalesce(qual, '') || coalesce(with_check, '') ~ '(uid|my_user_id|is_admin|is_reviewer)\\(\\)'
          and coalesce(qual, '') || coalesce(with_check, '')
            !~ 'SELECT (auth\\.)?(uid|my_user_id|is_admin|is_reviewer)'""",
    "foreign keys without an index": """
        select c.conrelid::regclass || '.' || a.attname from pg_constraint c
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[1]
        where c.contype = 'f' and c.connamespace = 'public'::regnamespace
          and c.confrelid <> all(array['public.users'::regclass, 'public.ledger_accounts'::regclass])
          and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1])""",
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_there_are_no(question: str, sql_db: psycopg.Connection) -> None:
    assert sql_db.execute(QUESTIONS[question].encode()).fetchall() == []


NEW_FUNCTION = "create function x() returns int language sql as 'select 1'"
MUTANTS = {
    "tables without row-level security": "create table x (id int)",
    "views that run as their owner": "create view x as select 1 as a",
    "functions that find their names wherever the caller says": NEW_FUNCTION,
    "functions that everybody may call": NEW_FUNCTION,
    "tables that everybody may touch": "grant select on videos to public",
    "what anon may touch": "grant select on videos to anon",
    "tables, views and functions without a comment": "create table x (id int)",
    "policies that are not named by a sentence": "create policy p on videos for select to authenticated using (true)",
    "policies for every verb or every role": 'create policy "People do all" on videos using (true)',
    "policies that let a row be moved to somebody else":
        'create policy "People change a" on videos for update to authenticated using (true)',
    "policies that ask who is there once a row":
        'create policy "People read a" on videos for select to authenticated using (creator_id = my_user_id())',
    "foreign keys without an index": "create table x (v bigint references videos (id))",
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_catalog_notices(question: str, sql_db: psycopg.Connection) -> None:
    sql_db.execute(MUTANTS[question].encode())
    assert sql_db.execute(QUESTIONS[question].encode()).fetchall() != []


def grants(db: psycopg.Connection) -> set[tuple[object, ...]]:
    """Every right in public that is not its owner's, default privileges for what comes later included."""
    rows = db.execute(
        """
        select 'relation', c.relname::text, a.grantee::regrole::text, a.privilege_type
        from pg_class c, aclexplode(c.relacl) a
        where c.relnamespace = 'public'::regnamespace and a.grantee <> c.relowner
        union all
        select 'column', c.relname || '.' || t.attname, a.grantee::regrole::text, a.privilege_type
        from pg_class c join pg_attribute t on t.attrelid = c.oid, aclexplode(t.attacl) a
        where c.relnamespace = 'public'::regnamespace and a.grantee <> c.relowner
        union all
        select 'function', p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type
        from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where p.pronamespace = 'public'::regnamespace and a.grantee <> p.proowner
        union all
        select 'default', d.defaclobjtype::text, a.grantee::regrole::text, a.privilege_type
        from pg_default_acl d, aclexplode(d.defaclacl) a
        where d.defaclnamespace = 'public'::regnamespace and a.grantee <> d.defaclrole
        """
    ).fetchall()
    return set(rows)


@pytest.fixture
def restarted() -> Iterator[Stack]:
    stack = Stack(f"test-grants-{os.getpid()}")
    try:
        yield stack
    finally:
        stack.remove()


def ask(settings: Settings) -> list[int]:
    """Requests with each key, since the local Supabase sets up its roles at the first one."""
    assert settings.supabase_secret_key is not None
    keys = (settings.supabase_publishable_key, settings.supabase_secret_key.get_secret_value())
    url = f"{settings.supabase_url}/rest/v1/ledger_entries?limit=1"
    return [httpx.get(url, headers={"apikey": key}).status_code for key in keys]


def test_grants_stay_as_revoked_over_requests_restarts_and_one_more_migration(restarted: Stack) -> None:
    """Left alone, the local Supabase grants everything on every table at the first request after each start."""
    restarted.migrate_only()
    url = restarted.postgres.url(DATABASE)
    with psycopg.connect(url) as db:
        migrated = grants(db)
    assert not {row for row in migrated if row[0] == "default"}
    for _ in range(2):
        settings = restarted.up()
        assert ask(settings) == [401, 200]
        with psycopg.connect(url) as db:
            assert grants(db) == migrated
        restarted.down()
    settings = restarted.up()
    with psycopg.connect(url) as db:
        db.execute("create table later (id int); alter table later enable row level security")
    assert ask(settings) == [401, 200]
    with psycopg.connect(url) as db:
        assert grants(db) == migrated


def test_the_comparison_of_grants_can_go_red(sql_db: psycopg.Connection) -> None:
    before = grants(sql_db)
    for role in API_ROLES:
        sql_db.execute(f"alter default privileges in schema public grant all on tables to {role}")
    sql_db.execute("create table later (id int)")
    assert {row[:3] for row in grants(sql_db) - before} >= {("relation", "later", role) for role in API_ROLES}
