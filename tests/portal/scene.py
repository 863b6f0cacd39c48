"""The people and places of the portal's tests: a running portal, its mail, somebody with an account."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page, expect

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


def new_address(word: str = "someone") -> str:
    return f"{word}{next(_numbers)}.{os.getpid()}@example.org"


def confirm_account(stack: Any, email: str) -> str:
    """Signs up and confirms with the mailed code, as a person would; returns the log-in's id."""
    client = user_client(stack.settings)
    flows.sign_up(client, email=email, password=PASSWORD)
    code = Portal("", stack).newest_mail(email).code
    assert code is not None
    return flows.verify_code(client, email=email, code=code, kind="signup").auth_id


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
