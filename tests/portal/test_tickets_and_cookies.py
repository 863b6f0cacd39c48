"""Tickets work once, for a minute, in the browser they were made for; tampered cookies open nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from core.crypto import data_key
from frontend.auth import flows, throttle
from frontend.auth.handles import BROWSER_COOKIE, SESSION_COOKIE, digest, new_handle
from frontend.auth.refusals import SessionEnded, TicketRefused, TooManyAttempts
from frontend.auth.store import REFRESH_MARGIN, SESSION_LIFETIME, TICKET_LIFETIME, SessionStore, expires_at
from supabase_conn import job_client, user_client
from tests.portal.scene import PASSWORD, Person, Portal


@pytest.fixture(scope="module")
def person(people: Callable[..., Person]) -> Person:
    return people()


@pytest.fixture
def tokens(stack: Any, person: Person) -> flows.SignedIn:
    return flows.sign_in(user_client(stack.settings), email=person.email, password=PASSWORD)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(stack: Any, clock: Clock) -> SessionStore:
    return SessionStore(job_client(stack.settings), data_key(stack.settings), now=clock)


def test_a_ticket_becomes_a_session_once(store: SessionStore, tokens: flows.SignedIn) -> None:
    ticket = store.issue_ticket(tokens, browser_id="mine")
    session_id = store.redeem_ticket(ticket, browser_id="mine")
    found = store.find(session_id)
    assert found is not None
    assert found.tokens == tokens
    with pytest.raises(TicketRefused):
        store.redeem_ticket(ticket, browser_id="mine")


def test_a_stolen_ticket_is_refused_in_another_browser_and_still_works_in_its_own(
    store: SessionStore, tokens: flows.SignedIn
) -> None:
    ticket = store.issue_ticket(tokens, browser_id="mine")
    for thief in ("another", None):
        with pytest.raises(TicketRefused):
            store.redeem_ticket(ticket, browser_id=thief)
    assert store.find(store.redeem_ticket(ticket, browser_id="mine")) is not None


def test_a_ticket_ends_after_its_minute(store: SessionStore, tokens: flows.SignedIn, clock: Clock) -> None:
    ticket = store.issue_ticket(tokens, browser_id="mine")
    clock.now += TICKET_LIFETIME + timedelta(seconds=1)
    with pytest.raises(TicketRefused):
        store.redeem_ticket(ticket, browser_id="mine")


@pytest.mark.parametrize("ticket", [None, "", "x", "x" * 43, "../" * 20, "' or '1'='1"])
def test_an_invented_ticket_is_refused(store: SessionStore, ticket: str | None) -> None:
    with pytest.raises(TicketRefused):
        store.redeem_ticket(ticket, browser_id="mine")


def test_a_session_ends_with_its_lifetime(store: SessionStore, tokens: flows.SignedIn, clock: Clock) -> None:
    session_id = store.open(tokens)
    clock.now += SESSION_LIFETIME - timedelta(seconds=1)
    assert store.find(session_id) is not None
    clock.now += timedelta(seconds=2)
    assert store.find(session_id) is None


def test_a_changed_cookie_opens_nothing(store: SessionStore, tokens: flows.SignedIn) -> None:
    session_id = store.open(tokens)
    other_end = "A" if session_id[-1] != "A" else "B"
    for changed in (session_id[:-1] + other_end, session_id + "A", digest(session_id), "", None, "é" * 43):
        assert store.find(changed) is None


def test_the_table_holds_neither_the_id_nor_the_tokens(stack: Any, store: SessionStore, tokens: flows.SignedIn) -> None:
    session_id = store.open(tokens)
    with psycopg.connect(stack.db_url) as sql:
        query = "select s::text from public.portal_sessions s where session_hash = %s"
        row = sql.execute(query, [digest(session_id)]).fetchone()
    assert row is not None
    for secret in (session_id, tokens.access_token, tokens.refresh_token):
        assert secret not in row[0]


def test_a_copied_row_opens_nothing_for_another_user(stack: Any, store: SessionStore, tokens: flows.SignedIn) -> None:
    """The seal is bound to its owner: swapping rows in the database does not swap log-ins."""
    session_id = store.open(tokens)
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        sql.execute(
            "update public.portal_sessions set auth_id = gen_random_uuid() where session_hash = %s",
            [digest(session_id)],
        )
    assert store.find(session_id) is None


@pytest.mark.parametrize("locked", [True, False])
def test_tabs_refresh_tokens_about_to_end_once_and_more_than_once_without_the_lock(
    stack: Any,
    store: SessionStore,
    tokens: flows.SignedIn,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    locked: bool,
) -> None:
    """Refresh tokens rotate and their late reuse ends the log-in: tabs must not use the same one side by side."""
    if not locked:
        monkeypatch.setattr("frontend.auth.store._LOCKS", (nullcontext(),))
    session = store.find(store.open(tokens))
    assert session is not None
    time.sleep(2.1)  # so that the new token outlasts the old one by at least 2 s
    clock.now = expires_at(tokens.access_token) - REFRESH_MARGIN + timedelta(seconds=1)
    calls: list[str] = []

    def refresher(refresh_token: str) -> flows.SignedIn:
        calls.append(refresh_token)
        time.sleep(0.2)  # long enough for the others to arrive
        return flows.refresh(user_client(stack.settings), refresh_token=refresh_token)

    with ThreadPoolExecutor(4) as tabs:
        fresh = [tabs.submit(store.fresh, session, refresher) for _ in range(4)]
    if not locked:
        # Whether the late ones still got in or lost the log-in is the service's affair.
        assert len(calls) > 1
        return
    found = [one.result() for one in fresh]
    assert calls == [tokens.refresh_token]
    assert len({one.tokens.refresh_token for one in found}) == 1
    assert found[0].tokens.refresh_token != tokens.refresh_token


def test_a_revoked_login_ends_the_session(
    stack: Any, store: SessionStore, tokens: flows.SignedIn, clock: Clock
) -> None:
    session_id = store.open(tokens)
    session = store.find(session_id)
    assert session is not None
    client = user_client(stack.settings)
    flows.adopt(client, tokens)
    flows.sign_out(client, everywhere=True)
    clock.now += timedelta(hours=2)
    with pytest.raises(SessionEnded):
        store.fresh(session, lambda token: flows.refresh(user_client(stack.settings), refresh_token=token))
    assert store.find(session_id) is None


def test_the_ninth_attempt_on_one_account_has_to_wait(stack: Any) -> None:
    jobs, account = job_client(stack.settings), new_handle()
    for n in range(throttle.LIMITS["sign_in"].account.count):
        throttle.check(jobs, action="sign_in", account=account, address=f"203.0.113.{n}")
    with pytest.raises(TooManyAttempts) as refused:
        throttle.check(jobs, action="sign_in", account=account, address="198.51.100.1")
    assert 0 < refused.value.wait_s <= throttle.LIMITS["sign_in"].account.seconds
    throttle.check(jobs, action="sign_in", account=new_handle(), address="198.51.100.1")


@pytest.mark.parametrize("path", ["/auth/complete", "/auth/logout", "/auth/confirm"])
@pytest.mark.parametrize("origin", [None, "https://evil.example", "null"])
def test_posts_from_elsewhere_are_refused(portal: Portal, path: str, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = httpx.post(portal.url + path, headers=headers, data={"ticket": "x"})
    assert answer.status_code == 403
    assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")


def test_a_ticket_over_http_sets_a_guarded_cookie_and_never_redirects_elsewhere(
    portal: Portal, store: SessionStore, tokens: flows.SignedIn
) -> None:
    browser_id = new_handle()
    for wanted, expected in (("//evil.example", "/"), ("https://evil.example", "/"), ("account", "/account")):
        ticket = store.issue_ticket(tokens, browser_id=browser_id)
        answer = httpx.post(
            f"{portal.url}/auth/complete",
            headers={"Origin": portal.url, "Cookie": f"{BROWSER_COOKIE}={browser_id}", "X-Forwarded-Proto": "https"},
            data={"ticket": ticket, "next": wanted},
        )
        assert answer.status_code == 303
        assert answer.headers["location"] == expected
        attributes = answer.headers["set-cookie"].lower()
        assert all(word in attributes for word in ("httponly", "samesite=lax", "secure", "path=/"))
        assert ticket not in answer.headers["location"]


def test_signing_in_again_ends_the_session_that_the_cookie_stood_for(
    stack: Any, portal: Portal, store: SessionStore, person: Person, tokens: flows.SignedIn
) -> None:
    former, browser_id = store.open(tokens), new_handle()
    again = flows.sign_in(user_client(stack.settings), email=person.email, password=PASSWORD)
    ticket = store.issue_ticket(again, browser_id=browser_id)
    answer = httpx.post(
        f"{portal.url}/auth/complete",
        headers={"Origin": portal.url, "Cookie": f"{BROWSER_COOKIE}={browser_id}; {SESSION_COOKIE}={former}"},
        data={"ticket": ticket},
    )
    assert store.find(former) is None
    assert store.find(answer.cookies[SESSION_COOKIE]) is not None


def test_a_get_neither_completes_nor_signs_out(portal: Portal, store: SessionStore, tokens: flows.SignedIn) -> None:
    """A link on another site must do neither."""
    session_id, browser_id = store.open(tokens), new_handle()
    ticket = store.issue_ticket(tokens, browser_id=browser_id)
    cookies = {SESSION_COOKIE: session_id, BROWSER_COOKIE: browser_id}
    for path in ("/auth/complete", "/auth/logout"):
        answer = httpx.get(f"{portal.url}{path}", params={"ticket": ticket}, cookies=cookies)
        assert SESSION_COOKIE not in answer.headers.get("set-cookie", "")
    assert store.find(session_id) is not None
    assert store.redeem_ticket(ticket, browser_id=browser_id)


@pytest.mark.parametrize("path", ["/auth/complete", "/auth/logout", "/auth/confirm"])
def test_a_form_that_is_no_form_of_ours_is_refused_before_it_is_read_whole(portal: Portal, path: str) -> None:
    headers = {"Origin": portal.url, "Content-Type": "application/x-www-form-urlencoded"}

    def endless() -> Iterator[bytes]:
        for _ in range(2_000):
            yield b"ticket=" + b"x" * 8_192 + b"&"

    try:
        answer = httpx.post(portal.url + path, headers=headers, content=endless())
    except httpx.WriteError:
        pass  # the server has closed the line in the middle, which is as good
    else:
        assert answer.status_code == 413
    for content, status in ((b"&".join([b"a=b"] * 100), 400), (b"ticket=\xff\xfe", 400), (b"x" * 20_000, 413)):
        assert httpx.post(portal.url + path, headers=headers, content=content).status_code == status
