"""A portal of its own for the tests, people with accounts, and a real Chromium."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from frontend import surroundings
from tests.conftest import RunningStack, running_stack
from tests.portal.scene import LAUNCH, PASSWORD, Person, Portal, find_chromium, make_person, serve, stack_variables


@pytest.fixture(scope="session")
def stack() -> Iterator[RunningStack]:
    """One that no other test closes windows in: the pages speak of the last closed window."""
    with running_stack(f"test-{os.getpid()}-portal") as running:
        yield running


@pytest.fixture(scope="session")
def portal(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """`streamlit run frontend/app.py` as a user would start it."""
    log = tmp_path_factory.mktemp("portal") / "log"
    with serve(stack, log=log) as url:
        yield Portal(url, stack)
    told = log.read_text()
    assert PASSWORD not in told, "a password stands in the portal's log"
    assert "sb_secret_" not in told, "a secret key stands in the portal's log"


@pytest.fixture(scope="session")
def people(stack: Any) -> Callable[..., Person]:
    """Makes people: `people("creator", kyc_level=2)`, `people("admin")`."""
    return partial(make_person, stack)


@pytest.fixture
def in_process(stack: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets pages that run inside this process (AppTest) use the test stack."""
    for name, value in stack_variables(stack).items():
        monkeypatch.setenv(name, value)
    for shared in (surroundings.settings, surroundings.jobs, surroundings.session_store):
        shared.cache_clear()
    yield
    for shared in (surroundings.settings, surroundings.jobs, surroundings.session_store):
        shared.cache_clear()


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
