"""The people and places of the portal's tests: a running portal, its mail, somebody with an account."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import psycopg
from dotenv import dotenv_values
from playwright.sync_api import Page, expect

from core.settings import ROOT
from frontend.auth import flows
from frontend.auth.mailbox import Mail, read_mailbox
from supabase_conn import user_client

PASSWORD = "correct horse 9 battery"
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Portal:
    """A running portal over the test stack."""

    url: str
    stack: Any

    def newest_mail(self, address: str, *, count: int = 1) -> Mail:
        """The newest of at least `count` messages to this address; waits for it."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            mails = [mail for mail in read_mailbox(self.stack.mailbox_dir) if mail.to == address]
            if len(mails) >= count:
                return mails[0]
            time.sleep(0.05)
        raise AssertionError(f"no mail number {count} to {address}")


@dataclass(frozen=True)
class Person:
    """Somebody with a confirmed account."""

    email: str
    password: str
    user_id: int
    auth_id: str


LAUNCH = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_START_TIMEOUT_S = 40


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stack_variables(stack: Any) -> dict[str, str]:
    """The stack's own settings as environment variables, so that no `.env` of a developer can outvote them."""
    known = dotenv_values(stack.stack.env_file)
    return {"FAIRSHARE_STACK": stack.stack.name} | {name: value for name, value in known.items() if value}


@contextmanager
def serve(stack: Any, *, log: Path, script: str = "frontend/app.py") -> Iterator[str]:
    """A portal over this stack, started as a user would; its address."""
    port = free_port()
    environment = {**os.environ, **stack_variables(stack)}
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / script), f"--server.port={port}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield url
    finally:
        process.terminate()
        process.wait(15)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the portal ended at once: {log.read_text()}"
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    raise AssertionError(f"the portal did not start: {log.read_text()}")


def find_chromium() -> str | None:
    named = os.environ.get("FAIRSHARE_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def new_address(word: str = "someone") -> str:
    return f"{word}{next(_numbers)}.{os.getpid()}@example.org"


def confirm_account(stack: Any, email: str) -> str:
    """Signs up and confirms with the mailed code, as a person would; returns the log-in's id."""
    client = user_client(stack.settings)
    flows.sign_up(client, email=email, password=PASSWORD)
    code = Portal("", stack).newest_mail(email).code
    assert code is not None
    return flows.verify_code(client, email=email, code=code, kind="signup").auth_id


def make_person(stack: Any, role: str = "viewer", *, email: str | None = None, **columns: Any) -> Person:
    """Somebody with a confirmed account and this role; `columns` of `users` are set as given."""
    email = email or new_address(role)
    auth_id = confirm_account(stack, email)
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        row = sql.execute("select id from public.users where auth_id = %s", [auth_id]).fetchone()
        assert row is not None, "the sign-up made no row in users"
        if role == "creator":
            columns["is_creator"] = True
        for name, value in columns.items():
            sql.execute(f"update public.users set {name} = %s where id = %s", [value, row[0]])
        if role in {"admin", "reviewer"}:
            sql.execute("insert into public.staff (user_id, role) values (%s, %s)", [row[0], role])
    return Person(email, PASSWORD, row[0], auth_id)


def sign_in(page: Page, person: Person, path: str = "/") -> None:
    """Types the log-in into the sign-in page and waits until it is done."""
    page.goto("/sign-in")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect_signed_in(page, person.email)
    if path != "/":
        page.goto(path)


def expect_signed_in(page: Page, email: str) -> None:
    """The sidebar says whose session this is."""
    expect(page.get_by_test_id("stSidebar").get_by_text(email)).to_be_visible(timeout=15_000)


def expect_signed_out(page: Page) -> None:
    """The sign-in page stands there."""
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible(timeout=15_000)
