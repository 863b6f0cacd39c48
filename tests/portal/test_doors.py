"""The portal's doors: `./run portal` with one clear line when it can not start, and the two standalone pages."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from core.settings import ROOT
from tests.portal.scene import Person, free_port, serve, sign_in, stack_variables

CLI = [sys.executable, str(ROOT / "cli.py"), "portal"]


def start(*arguments: str, environment: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [*CLI, *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_one_line_and_exit_2(stack: Any) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        ended = start("--port", port, environment={**os.environ, **stack_variables(stack)})
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [f"error: port {port} on 127.0.0.1 is taken; choose another with --port"]


def test_no_address_is_not_every_address(stack: Any) -> None:
    """Streamlit listens everywhere when it is told nothing."""
    ended = start("--host", " ", "--port", str(free_port()), environment={**os.environ, **stack_variables(stack)})
    assert ended.returncode == 2
    assert ended.stderr.splitlines() == ["error: --host is empty; name an address, or 0.0.0.0 for all of them"]


def test_a_bad_key_is_one_line_and_exit_2(stack: Any) -> None:
    """Without the data key no session could be kept: say so before anybody signs in."""
    known = {**os.environ, **stack_variables(stack), "FAIRSHARE_STACK": "", "FAIRSHARE_DATA_KEY": "c2hvcnQ="}
    ended = start("--port", str(free_port()), environment=known)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "FAIRSHARE_DATA_KEY" in ended.stderr
    assert stack.secret_key not in ended.stdout + ended.stderr


@pytest.mark.browser
@pytest.mark.parametrize(
    ("script", "role", "title"),
    [
        ("viewer_activity/app.py", "reviewer", "Viewer activity"),
        ("revenue_split/admin_revenue.py", "admin", "Revenue window"),
    ],
)
def test_a_standalone_page_asks_who_it_is_and_opens_where_it_should(
    stack: Any, chromium: Browser, people: Callable[..., Person], tmp_path: Path, script: str, role: str, title: str
) -> None:
    with serve(stack, log=tmp_path / "log", script=script) as url:
        context = chromium.new_context(base_url=url)
        page = context.new_page()
        sign_in(page, people(role))
        page.goto("/")
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible(timeout=15_000)
        context.close()
