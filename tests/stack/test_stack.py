"""The local Supabase starts, survives what happens to it, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from postgrest.exceptions import APIError

from core.errors import StackError
from local_stack.stack import Stack
from supabase_conn import bulk_connection, job_client, sql_connection, user_client
from tests.conftest import RunningStack


@pytest.fixture
def own() -> Iterator[Stack]:
    """A stack that this test may break."""
    local = Stack(f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    yield local
    local.remove()


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "cli", *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_two_stacks_run_side_by_side_with_their_own_address_and_keys(stack: RunningStack, own: Stack) -> None:
    settings = own.up()
    assert settings.supabase_url != stack.url
    assert settings.supabase_publishable_key != stack.publishable_key
    assert own.status().running
    assert stack.stack.status().running


def test_a_second_start_changes_nothing_and_keeps_the_data(own: Stack) -> None:
    first = own.up()
    with psycopg.connect(own.postgres.url("fairshare")) as connection:
        connection.execute("create table public.kept as select 42 as answer")
    assert own.up() == first
    own.down()
    again = own.up()
    assert again.supabase_secret_key == first.supabase_secret_key
    with psycopg.connect(own.postgres.url("fairshare")) as connection:
        assert connection.execute("select answer from public.kept").fetchone() == (42,)


def test_a_killed_stack_is_repaired_by_the_next_start(own: Stack) -> None:
    own.up()
    with psycopg.connect(own.postgres.url("fairshare")) as connection:
        connection.execute("create table public.kept as select 42 as answer")
    postmaster = int((own.postgres.directory / "postmaster.pid").read_text().split()[0])
    api = int((own.dir / "api.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    os.kill(api, signal.SIGKILL)
    while psutil.pid_exists(postmaster) and psutil.Process(postmaster).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.02)
    assert not own.status().running
    own.up()
    assert own.status().running
    with psycopg.connect(own.postgres.url("fairshare")) as connection:
        assert connection.execute("select answer from public.kept").fetchone() == (42,)


def test_a_half_made_data_folder_is_made_anew(own: Stack) -> None:
    own.postgres.directory.mkdir(parents=True)
    (own.postgres.directory / "base").mkdir()
    own.up()
    assert own.status().running


def test_a_taken_port_moves_the_stack_to_another(own: Stack) -> None:
    first = own.up()
    own.down()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", urlsplit(first.supabase_url).port))
        squatter.listen()
        second = own.up()
    assert second.supabase_url != first.supabase_url
    assert own.status().running


def test_reset_removes_the_data_and_remove_leaves_no_file_and_no_process(own: Stack) -> None:
    own.up()
    with psycopg.connect(own.postgres.url("fairshare")) as connection:
        connection.execute("create table public.gone as select 42 as answer")
    own.reset()
    own.up()
    with psycopg.connect(own.postgres.url("fairshare")) as connection:
        assert connection.execute("select to_regclass('public.gone')").fetchone() == (None,)
    folder = own.dir
    own.remove()
    assert not folder.exists()
    mine = [p for p in psutil.process_iter(["cmdline"]) if str(folder) in " ".join(p.info["cmdline"] or [])]
    assert mine == []


def test_the_generated_keys_are_readable_by_their_owner_alone(stack: RunningStack) -> None:
    assert stack.stack.env_file.stat().st_mode & 0o077 == 0


def test_the_api_listens_on_this_machine_alone(stack: RunningStack) -> None:
    api = psutil.Process(int((stack.stack.dir / "api.pid").read_text().split()[0]))
    listening = {c.laddr.ip for c in api.net_connections("tcp") if c.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_folder_too_deep_for_a_socket_gets_a_private_one(tmp_path: Path) -> None:
    from local_stack.postgres import Server

    server = Server(tmp_path / ("d" * 90) / "pgdata")
    server.directory.parent.mkdir()
    try:
        server.start()
        assert server.socket_dir != server.directory
        assert server.socket_dir.stat().st_mode & 0o077 == 0
        with psycopg.connect(server.url("postgres")) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
    finally:
        server.stop()
    assert server.directory.exists()


def test_status_says_in_one_line_what_is_missing(own: Stack) -> None:
    def say() -> tuple[int, str]:
        done = run("stack", "status", "--name", own.name)
        return done.returncode, done.stdout.strip()

    assert say() == (1, "there is no such stack yet")
    settings = own.up()
    assert say() == (0, f"running: {settings.supabase_url}")
    os.kill(int((own.dir / "api.pid").read_text().split()[0]), signal.SIGKILL)
    time.sleep(0.2)
    assert say() == (1, "half running: Postgres alone; ./run stack up repairs it")
    own.down()
    assert say() == (1, "not running")


def test_a_stack_that_is_not_there_is_not_reset() -> None:
    done = run("stack", "reset", "--name", "no-such-stack", "--yes")
    assert done.returncode == 2
    assert done.stderr == "error: there is no local stack 'no-such-stack' to reset; ./run stack up makes one\n"


def test_a_name_that_leaves_its_folder_is_refused() -> None:
    with pytest.raises(StackError, match="letters, digits"):
        Stack("../elsewhere")


def test_mail_of_a_sign_up_arrives_in_the_mailbox_with_its_link_and_code(stack: RunningStack) -> None:
    client = user_client(stack.settings)
    address = f"mail-{uuid.uuid4().hex[:8]}@example.com"
    client.auth.sign_up({"email": address, "password": "correct horse battery"})
    mails = [json.loads(path.read_text()) for path in stack.mailbox_dir.glob("*.json")]
    mail = next(m for m in mails if m["to"] == address)
    assert mail["type"] == "signup"
    assert mail["token_hash"] in mail["link"]
    assert len(mail["code"]) == 6
    answer = client.auth.verify_otp({"email": address, "token": mail["code"], "type": "signup"})
    assert answer.session is not None
    assert answer.user is not None
    assert answer.user.email == address


def test_every_kind_of_connection_answers(stack: RunningStack) -> None:
    assert job_client(stack.settings).table("users").select("id").eq("id", -1).execute().data == []
    with sql_connection(stack.settings) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    with bulk_connection(stack.settings) as bulk, bulk.cursor() as cursor:
        cursor.execute("select 1 as one")
        assert cursor.fetch_arrow_table()["one"].to_pylist() == [1]


def test_a_json_argument_reaches_a_function_as_what_it_is(stack: RunningStack) -> None:
    unbalanced = [{"kind": "platform_revenue", "amount_cents": -2}, {"kind": "residual", "amount_cents": 1}]
    arguments = {
        "p_idempotency_key": f"json-{uuid.uuid4().hex}",
        "p_kind": "adjustment",
        "p_entries": unbalanced,
        "p_event_at": "2026-01-01T00:00:00Z",
    }
    with pytest.raises(APIError) as refused:
        job_client(stack.settings).rpc("post_ledger_transaction", arguments).execute()
    assert refused.value.code == "22Z09"  # summed, so it was read as rows and not as a string


def test_storage_keeps_a_file_and_signs_its_address(stack: RunningStack) -> None:
    bucket = f"b-{uuid.uuid4().hex[:8]}"
    storage = job_client(stack.settings).storage
    storage.create_bucket(bucket)
    storage.from_(bucket).upload("a/ü.txt".replace("ü", "u"), b"bytes")
    assert storage.from_(bucket).download("a/u.txt") == b"bytes"
    assert storage.from_(bucket).create_signed_url("a/u.txt", 60)["signedURL"].startswith("http")
