"""A portal of its own for the tests, people with accounts, and a real Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from core.settings import ROOT
from frontend import surroundings
from tests.portal.scene import PASSWORD, Person, Portal, confirm_account, new_address

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


@pytest.fixture(scope="session")
def portal(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """`streamlit run frontend/app.py` as a user would start it."""
    port = free_port()
    log = tmp_path_factory.mktemp("portal") / "log"
    environment = {**os.environ, "FAIRSHARE_STACK": stack.stack.name}
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "frontend" / "app.py"), f"--server.port={port}"]
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process, log)
        yield Portal(url, stack)
    finally:
        process.terminate()
        process.wait(15)
    told = log.read_text()
    assert PASSWORD not in told, "a password stands in the portal's log"
    assert "sb_secret_" not in told, "a secret key stands in the portal's log"


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


@pytest.fixture(scope="session")
def people(stack: Any) -> Callable[..., Person]:
    """Makes people: `people("creator", kyc_level=2)`, `people("admin")`."""

    def make(role: str = "viewer", **columns: Any) -> Person:
        email = new_address(role)
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

    return make


@pytest.fixture
def in_process(stack: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets pages that run inside this process (AppTest) use the test stack."""
    monkeypatch.setenv("FAIRSHARE_STACK", stack.stack.name)
    for shared in (surroundings.settings, surroundings.jobs, surroundings.session_store):
        shared.cache_clear()
    yield
    for shared in (surroundings.settings, surroundings.jobs, surroundings.session_store):
        shared.cache_clear()


def find_chromium() -> str | None:
    named = os.environ.get("FAIRSHARE_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A Chromium of this machine. In CI its absence is a failure."""
    path = find_chromium()
    if path is None:
        how = "no Chromium: apt-get install chromium, or name one in FAIRSHARE_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(how)
        pytest.skip(how)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=LAUNCH)
        yield browser
        browser.close()


@pytest.fixture
def browser(chromium: Browser, portal: Portal) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers that share nothing: each with its own cookies."""
    opened: list[BrowserContext] = []

    def make(**options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=portal.url, **options)
        context.set_default_timeout(15_000)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
