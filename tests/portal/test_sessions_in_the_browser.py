"""A real browser signs up, reads its mail, verifies, reloads, opens a second tab and signs out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.portal.scene import (
    PASSWORD,
    Person,
    Portal,
    expect_signed_in,
    expect_signed_out,
    new_address,
    sign_in,
)

pytestmark = pytest.mark.browser
SESSION = "fairshare_session"


def cookie(context: BrowserContext, name: str = SESSION) -> dict[str, Any] | None:
    return next((dict(one) for one in context.cookies() if one["name"] == name), None)


def ask_for_account(page: Page, email: str) -> None:
    page.goto("/sign-up")
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Create account").click()
    page.get_by_label("Code").wait_for()


def test_sign_up_with_the_mailed_code_survives_a_reload_and_a_second_tab(
    browser: Callable[..., BrowserContext], portal: Portal
) -> None:
    context, email = browser(), new_address("code")
    page = context.new_page()
    ask_for_account(page, email)
    mail = portal.newest_mail(email)

    page.get_by_label("Code").fill("000000" if mail.code != "000000" else "111111")
    page.get_by_role("button", name="Confirm and sign in").click()
    expect(page.get_by_text("wrong, already used or too old")).to_be_visible()
    assert cookie(context) is None

    page.get_by_label("Code").fill(mail.code or "")
    page.get_by_role("button", name="Confirm and sign in").click()
    expect_signed_in(page, email)

    page.reload()
    expect_signed_in(page, email)
    second = context.new_page()
    second.goto("/")
    expect_signed_in(second, email)

    kept = cookie(context)
    assert kept is not None
    assert kept["httpOnly"]
    assert kept["sameSite"] == "Lax"
    assert SESSION not in page.evaluate("document.cookie")


def test_the_mailed_link_verifies_once_and_only_when_its_button_is_pressed(
    browser: Callable[..., BrowserContext], portal: Portal
) -> None:
    context, email = browser(), new_address("link")
    ask_for_account(context.new_page(), email)
    link = portal.newest_mail(email).confirm_path
    assert link is not None

    scanner = browser().new_page()  # a mail scanner opens the link and leaves
    scanner.goto(link)
    page = context.new_page()
    page.goto(link)
    page.get_by_role("button", name="Confirm and sign in").click()
    expect_signed_in(page, email)
    assert "token" not in page.url

    again = browser().new_page()
    again.goto(link)
    again.get_by_role("button", name="Confirm and sign in").click()
    expect(again.get_by_text("wrong, already used or too old")).to_be_visible()


def test_signing_out_ends_the_second_tab_too(
    browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    context, person = browser(), people()
    first, second = context.new_page(), context.new_page()
    sign_in(first, person)
    second.goto("/")
    expect_signed_in(second, person.email)
    stolen = cookie(context)
    assert stolen is not None

    first.get_by_role("button", name="Sign out").click()
    expect_signed_out(first)
    # The second tab notices by itself.
    expect(second.get_by_role("heading", name="Sign in")).to_be_visible(timeout=25_000)
    assert cookie(context) is None

    thief = browser()
    thief.add_cookies([stolen])
    page = thief.new_page()
    page.goto("/")
    expect_signed_out(page)


def test_signing_out_everywhere_ends_another_browser(
    browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    person, here, there = people(), browser().new_page(), browser().new_page()
    sign_in(here, person)
    sign_in(there, person)
    here.goto("/account")
    here.get_by_role("button", name="Sign out everywhere").click()
    expect_signed_out(here)
    there.reload()
    expect_signed_out(there)


def test_a_changed_password_is_told_and_a_wrong_one_is_named(
    browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    person, elsewhere, page = people(), browser().new_page(), browser().new_page()
    sign_in(elsewhere, person)
    sign_in(page, person, "/account")

    def change(current: str) -> None:
        page.get_by_label("Current password").fill(current)
        page.get_by_label("New password", exact=True).fill("a quite different 9 phrase")
        page.get_by_label("New password again").fill("a quite different 9 phrase")
        page.get_by_role("button", name="Change password").click()

    change(person.password + "x")
    expect(page.get_by_text("This is not your current password.")).to_be_visible()
    change(person.password)
    expect(page.get_by_text("Your password is changed")).to_be_visible()
    expect_signed_in(page, person.email)
    elsewhere.reload()
    expect_signed_out(elsewhere)


def test_a_reset_password_replaces_the_old_one_and_ends_other_sessions(
    browser: Callable[..., BrowserContext], people: Callable[..., Person], portal: Portal
) -> None:
    person, elsewhere, page = people(), browser().new_page(), browser().new_page()
    sign_in(elsewhere, person)
    page.goto("/reset-password")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_role("button", name="Send me a mail").click()
    page.get_by_label("Code").wait_for()
    link = portal.newest_mail(person.email, count=2).confirm_path
    assert link is not None

    page.goto(link)
    new = "a quite different 7 phrase"
    page.get_by_label("New password").fill(new)
    page.get_by_label("The same again").fill(new + "x")
    page.get_by_role("button", name="Save and sign in").click()
    expect(page.get_by_text("not the same")).to_be_visible()
    page.get_by_label("New password").fill(new)
    page.get_by_label("The same again").fill(new)
    page.get_by_role("button", name="Save and sign in").click()
    expect_signed_in(page, person.email)

    elsewhere.reload()
    elsewhere.get_by_label("E-mail address").fill(person.email)
    elsewhere.get_by_label("Password", exact=True).fill(person.password)
    elsewhere.get_by_role("button", name="Sign in").click()
    expect(elsewhere.get_by_text("do not match an account")).to_be_visible()
    elsewhere.get_by_label("Password", exact=True).fill(new)
    elsewhere.get_by_role("button", name="Sign in").click()
    expect_signed_in(elsewhere, person.email)


def test_a_reset_with_the_code_works_in_one_form(
    browser: Callable[..., BrowserContext], people: Callable[..., Person], portal: Portal
) -> None:
    person, page = people(), browser().new_page()
    page.goto("/reset-password")
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_role("button", name="Send me a mail").click()
    page.get_by_label("Code").fill(portal.newest_mail(person.email, count=2).code or "")
    page.get_by_label("New password", exact=True).fill("a quite different 8 phrase")
    page.get_by_label("New password again").fill("a quite different 8 phrase")
    page.get_by_role("button", name="Save and sign in").click()
    expect_signed_in(page, person.email)


def test_two_browsers_at_once_never_see_each_other(
    browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    """A client or a row shared between users would show here."""
    ann, ben = people(), people()
    ann_page, ben_page = browser().new_page(), browser().new_page()
    sign_in(ann_page, ann)
    sign_in(ben_page, ben)
    for _ in range(3):
        ann_page.reload(wait_until="commit")
        ben_page.reload(wait_until="commit")
        expect_signed_in(ann_page, ann.email)
        expect_signed_in(ben_page, ben.email)
        assert ben.email not in ann_page.content()
        assert ann.email not in ben_page.content()


def test_nothing_is_loaded_from_elsewhere_and_no_secret_is_in_the_page(
    browser: Callable[..., BrowserContext], people: Callable[..., Person], portal: Portal
) -> None:
    context, person = browser(), people()
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    sign_in(page, person)
    page.goto("/account")
    expect(page.get_by_role("button", name="Sign out everywhere")).to_be_visible()
    elsewhere = {url for url in asked if not re.match(r"(data:|blob:)", url) and not url.startswith(portal.url)}
    assert elsewhere == set()
    kept = cookie(context)
    assert kept is not None
    told = page.content() + " ".join(asked)
    for secret in (kept["value"], portal.stack.secret_key, person.password, "eyJ"):
        assert secret not in told


def test_a_page_that_was_asked_for_opens_after_signing_in(
    browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    person, page = people(), browser().new_page()
    page.goto("/account")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("E-mail address").fill(person.email)
    page.get_by_label("Password", exact=True).fill(person.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out everywhere")).to_be_visible()
