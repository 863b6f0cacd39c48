"""Two admins in two real browsers: what one asks for the other approves; a window is taken back; all of it is seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psycopg
import pytest
from playwright.sync_api import BrowserContext, expect

from revenue_split import jobs, policies
from revenue_split.policy import FAIRSHARE_V1
from tests.db.world import one
from tests.portal.scene import Person, sign_in
from tests.portal.world import last_days, make_events, make_video, make_viewers, take_back_windows
from viewer_activity.score import score_days

pytestmark = pytest.mark.browser


def test_one_admin_asks_another_approves_and_a_reversal_needs_the_number_typed(
    stack: Any, browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    creator, days = people("creator", kyc_level=3), last_days()
    take_back_windows(stack, days)
    make_events(
        stack, make_video(stack, creator.user_id, "A film", window=days), make_viewers(stack, 30), window=days, seed=3
    )
    score_days(stack.settings, days.days())
    policies.keep(stack.settings, replace(FAIRSHARE_V1, name="strict", approval_limit_cents=1))

    first = browser().new_page()
    sign_in(first, people("admin"), "/revenue-window")
    first.get_by_label("Policy").first.click()
    first.get_by_role("option", name="strict@1").click()
    first.get_by_role("textbox", name="Gross revenue (USD)").fill("500")
    first.get_by_role("button", name="Preview").click()
    expect(first.get_by_text("nothing is written yet")).to_be_visible(timeout=30_000)
    first.get_by_text("The figures above are right").click()
    first.get_by_role("button", name="Close the window").click()
    expect(first.get_by_text("waits for the approval of another admin")).to_be_visible(timeout=30_000)
    assert standing(stack, days) == 0
    first.reload()
    expect(first.get_by_text("You asked for it: another admin approves it.")).to_be_visible()
    assert first.get_by_role("button", name="Approve and carry out").count() == 0

    second = browser().new_page()
    sign_in(second, people("admin"), "/revenue-window")
    second.get_by_role("button", name="Approve and carry out").click()
    expect(second.get_by_text("is closed.")).to_be_visible(timeout=30_000)
    assert standing(stack, days) == 1

    with psycopg.connect(stack.db_url) as db:
        number = one(db, "select max(id) from revenue_windows")
    second.get_by_label("Reason (creators read it)").fill("wrong gross")
    second.get_by_label("Its number again").fill("no")
    second.get_by_role("button", name="Reverse the window").click()
    expect(second.get_by_text("the window's number, to confirm")).to_be_visible(timeout=30_000)
    assert standing(stack, days) == 1
    second.get_by_label("Its number again").fill(str(number))
    second.get_by_role("button", name="Reverse the window").click()
    expect(second.get_by_text("waits for the approval of another admin")).to_be_visible(timeout=30_000)
    assert standing(stack, days) == 1

    first.reload()
    first.get_by_role("button", name="Approve and carry out").click()
    expect(first.get_by_text("is reversed.")).to_be_visible(timeout=30_000)
    assert standing(stack, days) == 0

    jobs.run_due(stack.settings)
    first.goto("/due-work")
    expect(first.get_by_text("Reserves, recorded months")).to_be_visible()
    first.goto("/audit")
    expect(first.get_by_text("written down with the act itself")).to_be_visible()
    with psycopg.connect(stack.db_url) as db:
        acts = [
            row[0] for row in db.execute("select action from audit_log where action ~ '^(window|proposal)' order by id")
        ]
    assert acts[-6:] == [
        "proposal.made", "proposal.approved", "window.closed", "proposal.made", "proposal.approved", "window.reversed",
    ]  # fmt: skip


def standing(stack: Any, days: Any) -> int:
    with psycopg.connect(stack.db_url) as db:
        return one(
            db,
            "select count(*) from revenue_windows where status = 'closed' and window_start < %s and window_end > %s",
            days.end,
            days.start,
        )


def test_a_reviewer_sees_neither_jobs_nor_audit(
    browser: Callable[..., BrowserContext], people: Callable[..., Person]
) -> None:
    page = browser().new_page()
    sign_in(page, people("reviewer"), "/audit")
    expect(page.get_by_text("This page is for admins")).to_be_visible()
    page.goto("/due-work")
    expect(page.get_by_text("This page is for admins")).to_be_visible()
