"""An admin previews and closes a window in a real browser; a creator reaches neither the page nor the function."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import BrowserContext, expect
from postgrest.exceptions import APIError

from core.timewindows import Window
from frontend.auth import flows
from revenue_split import jobs, statements
from revenue_split.statement_pdf import to_pdf
from supabase_conn import user_client
from tests.portal.scene import PASSWORD, Person, sign_in
from tests.portal.world import last_days, make_events, make_video, make_viewers
from viewer_activity.score import score_days

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> **bold** [link](https://evil.example) https://evil.example"


@pytest.fixture(scope="module")
def week(stack: Any, people: Callable[..., Person]) -> tuple[Person, Window]:
    """A creator with a scored week whose title is an attack."""
    creator, window = people("creator", kyc_level=3), last_days()
    video = make_video(stack, creator.user_id, HOSTILE, window=window)
    make_events(stack, video, make_viewers(stack, 40), window=window, seed=7)
    score_days(stack.settings, window.days())
    return creator, window


def windows_closed(stack: Any, within: Window) -> list[tuple[Any, ...]]:
    """The closed windows that pay for days of `within`; other tests close others."""
    with psycopg.connect(stack.db_url) as sql:
        return sql.execute(
            "select id, pool_cents, allocated_cents, residual_cents from public.revenue_windows"
            " where window_start < %s and window_end > %s",
            (within.end, within.start),
        ).fetchall()


def test_a_double_click_closes_a_window_once_and_the_creator_sees_the_money(
    stack: Any,
    browser: Callable[..., BrowserContext],
    people: Callable[..., Person],
    week: tuple[Person, Window],
) -> None:
    creator, days = week
    page = browser().new_page()
    sign_in(page, people("admin"), "/revenue-window")
    gross = page.get_by_role("textbox", name="Gross revenue (USD)")

    gross.fill("12,3")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("at most two decimals")).to_be_visible()
    gross.fill("1,234.56")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("nothing is written yet")).to_be_visible(timeout=30_000)
    assert windows_closed(stack, days) == []

    page.get_by_text("The figures above are right").click()
    close = page.get_by_role("button", name="Close the window")
    expect(close).to_be_enabled()
    close.dblclick()
    expect(page.get_by_text("Start another window")).to_be_visible(timeout=30_000)
    closed = windows_closed(stack, days)
    assert len(closed) == 1
    _, pool, allocated, residual = closed[0]
    # The margin guardrail binds: net 1234.56 - ceil(60 % of gross) = 1234.56 - 740.74 = 493.82.
    assert pool == 123_456 - 74_074
    assert allocated + residual == pool
    # What is told is what reaches the creator: the fee stays with the platform.
    to_them = f"${(allocated - allocated // 10) / 100:,.2f}"
    expect(page.get_by_text(f"{to_them} to").filter(has_text="closed")).to_be_visible()

    # A new preview has a new key; the database still lets no day be paid twice.
    page.reload()
    gross.fill("1,234.56")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_text("can not be closed")).to_be_visible(timeout=30_000)
    page.get_by_text("The figures above are right").click()
    expect(close).to_be_enabled()
    close.click()
    expect(page.get_by_text("overlaps")).to_be_visible(timeout=30_000)
    assert windows_closed(stack, days) == closed

    theirs = browser(locale="en-US").new_page()
    sign_in(theirs, creator, "/dashboard")
    fee, reserve = allocated // 10, allocated // 10
    expect(theirs.get_by_text(f"${(allocated - fee - reserve) / 100:,.2f}").first).to_be_visible()
    expect(theirs.get_by_text(f"${reserve / 100:,.2f}").first).to_be_visible()

    # Due work issues the statement; the file is the one that the statement always gives.
    jobs.run_due(stack.settings)
    theirs.reload()
    expect(theirs.get_by_role("heading", name="Statements")).to_be_visible(timeout=30_000)
    with theirs.expect_download() as download:
        theirs.get_by_role("button", name="PDF").click()
    issued = next(statements.of_window(stack.settings, closed[0][0], creator_id=creator.user_id))
    assert Path(download.value.path()).read_bytes() == to_pdf(issued)
    assert download.value.suggested_filename == f"{issued.number}.pdf"


def test_a_title_with_markup_is_shown_as_text(
    browser: Callable[..., BrowserContext], people: Callable[..., Person], week: tuple[Person, Window]
) -> None:
    page = browser().new_page()
    sign_in(page, people("reviewer"), "/viewer-activity")
    page.get_by_label("Find a video").fill("onerror")
    page.get_by_label("Find a video").press("Enter")
    expect(page.get_by_text(HOSTILE, exact=True).first).to_be_visible()
    assert page.title() != "owned"
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("a[href*='evil.example']").count() == 0


def test_a_creator_who_types_the_admin_address_is_refused_in_words(
    browser: Callable[..., BrowserContext], week: tuple[Person, Window]
) -> None:
    page = browser().new_page()
    sign_in(page, week[0], "/revenue-window")
    expect(page.get_by_text("This page is for admins")).to_be_visible()
    assert page.get_by_role("button", name="Preview").count() == 0


def test_a_creator_who_calls_the_function_directly_is_refused_by_the_database(
    stack: Any, week: tuple[Person, Window]
) -> None:
    creator, window = week
    before = windows_closed(stack, window)
    client = user_client(stack.settings)
    flows.sign_in(client, email=creator.email, password=PASSWORD)
    figures = {"window_start": window.start.isoformat(), "window_end": window.end.isoformat(), "policy": {}}
    with pytest.raises(APIError) as refused:
        client.rpc(
            "close_revenue_window",
            {"p_idempotency_key": "mine", "p_window": figures, "p_shares": [], "p_allocations": []},
        ).execute()
    assert refused.value.code == "42501"
    assert windows_closed(stack, window) == before
    assert client.table("revenue_windows").select("id").execute().data == []
    for table in ("portal_sessions", "login_tickets", "auth_attempts"):
        with pytest.raises(APIError, match="permission denied"):
            client.table(table).select("*").execute()
