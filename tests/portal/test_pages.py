"""Pages as each role meets them, without a browser: who sees what, and what stands where there is nothing yet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.settings import ROOT
from core.timewindows import Window
from frontend import navigation, shell, surroundings
from frontend.auth import flows, visitor
from frontend.navigation import REGISTRY, Role, pages_for
from supabase_conn import user_client
from tests.db.world import one
from tests.portal.scene import PASSWORD, Person
from tests.portal.world import last_days, make_events, make_video, make_viewers

pytestmark = pytest.mark.usefixtures("in_process")
STAFF_ONLY = {"revenue-window", "due-work", "audit"}


def open_portal(monkeypatch: pytest.MonkeyPatch, stack: Any, person: Person | None) -> AppTest:
    """The portal as `person` sees it; only the cookie is put in by hand, the session behind it is real."""
    session_id = None
    if person is not None:
        tokens = flows.sign_in(user_client(stack.settings), email=person.email, password=PASSWORD)
        session_id = surroundings.session_store().open(tokens)
    monkeypatch.setattr(visitor, "session_cookie", lambda: session_id)
    return AppTest.from_file(str(ROOT / "frontend" / "router.py"), default_timeout=20).run()


def said(page: AppTest) -> str:
    """Every word on the page."""
    kinds = ("title", "subheader", "markdown", "caption", "text", "info", "error", "warning", "success", "metric")
    return " ".join(str(element.value) for kind in kinds for element in getattr(page, kind))


def go(page: AppTest, path: str) -> AppTest:
    return page.switch_page(f"app_pages/{navigation.entry_of(path).module}.py").run()


def test_a_proposal_that_nobody_decided_in_time_is_void_on_the_page(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person]
) -> None:
    """One waits and may be approved; the other is over and only told of."""
    summary = (
        '{"window_start": "2020-01-01T00:00:00Z", "window_end": "2020-01-02T00:00:00Z", "pool_cents": 1,'
        ' "currency": "USD", "reason": "no"}'
    )
    insert = (
        "insert into window_proposals (action, idempotency_key, request_hash, request, summary, why, expires_at) "
        "values ('reverse', gen_random_uuid(), 'h', '{}', %s, 'above the limit', now() + %s * interval '1 hour') "
        "returning id"
    )
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        waits, over = (one(db, insert, summary, hours) for hours in (1, -1))
    try:
        page = go(open_portal(monkeypatch, stack, people("admin")), "revenue-window")
        assert not page.exception
        buttons = {button.key for button in page.button}
        assert f"approve_{waits}" in buttons
        assert f"approve_{over}" not in buttons
        ended = next(frame.value for frame in page.dataframe if "outcome" in frame.value)
        assert ended.set_index("no.").loc[over, "outcome"] == "expired"
    finally:
        with psycopg.connect(stack.db_url, autocommit=True) as db:
            db.execute("set session_replication_role = replica")
            db.execute("delete from window_proposals where id in (%s, %s)", (waits, over))


def test_every_page_of_the_registry_has_its_file() -> None:
    files = {path.stem for path in (ROOT / "frontend" / "app_pages").glob("*.py")} - {"__init__"}
    assert files == {entry.module for entry in REGISTRY}


def test_the_menu_follows_the_role() -> None:
    menu = {role: {entry.path for entry in pages_for(role)} for role in Role}
    assert menu[Role.ANONYMOUS] == {"sign-in", "sign-up", "reset-password"}
    assert menu[Role.VIEWER] == {"home", "account"}
    assert menu[Role.CREATOR] == {"dashboard", "payouts", "viewer-activity", "explanations", "account"}
    assert menu[Role.REVIEWER] == {"viewer-activity", "explanations", "clusters", "reviews", "account"}
    assert menu[Role.ADMIN] == {
        "revenue-window", "all-payouts", "due-work", "audit", "viewer-activity", "explanations", "clusters", "reviews",
        "account",
    }  # fmt: skip
    assert pages_for() == ()


def test_the_mailbox_exists_in_local_mode_alone() -> None:
    assert "mailbox" not in {entry.path for role in Role for entry in pages_for(role)}
    assert "mailbox" in {entry.path for entry in pages_for(Role.ANONYMOUS, local=True)}


@pytest.mark.parametrize("path", [None, "", "//evil.example", "/account", "https://evil.example", "nowhere"])
def test_after_signing_in_nobody_is_sent_elsewhere(path: str | None) -> None:
    assert navigation.safe_next(path) == "/"


def test_a_changed_password_leads_to_the_page_that_says_so() -> None:
    assert navigation.safe_next(navigation.PASSWORD_CHANGED) == "/account?changed=password"
    assert navigation.is_told(navigation.PASSWORD_CHANGED, {"changed": "password"})
    assert not navigation.is_told(navigation.PASSWORD_CHANGED, {})


def test_anonymous_sees_the_sign_in_page(monkeypatch: pytest.MonkeyPatch, stack: Any) -> None:
    page = open_portal(monkeypatch, stack, None)
    assert [field.label for field in page.text_input] == ["E-mail address", "Password"]
    assert not page.exception


def test_a_creator_has_no_admin_page(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person]
) -> None:
    page = go(open_portal(monkeypatch, stack, people("creator")), "dashboard")
    with pytest.raises(ValueError, match="revenue_window"):
        go(page, "revenue-window")


@pytest.mark.parametrize("role", ["viewer", "creator", "reviewer"])
def test_the_admin_page_itself_refuses_everybody_but_admins(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], role: str
) -> None:
    """Even if the menu were wrong: the page's own guard stands."""
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    page = go(open_portal(monkeypatch, stack, people(role)), "revenue-window")
    assert "This page is for admins" in said(page)
    assert not page.button(key="sign_out").disabled
    assert not [field for field in page.text_input if field.label.startswith("Gross")]


def test_behind_a_broken_page_guard_the_database_still_says_no(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person]
) -> None:
    """Without `require` the form stands there, so the test above can go red; the preview is refused all the same."""
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    monkeypatch.setattr(shell, "require", lambda path: visitor.current_visitor())
    page = go(open_portal(monkeypatch, stack, people("creator")), "revenue-window")
    page.text_input(key="window_gross_cents").set_value("100")
    page.button(key="window_preview").click().run()
    assert "Only admins preview a window." in said(page)
    assert not page.metric


@pytest.mark.parametrize(
    "path",
    ["dashboard", "home", "account", "viewer-activity", "explanations", "clusters", "revenue-window", "payouts",
     "all-payouts", "due-work", "audit"],
)  # fmt: skip
def test_no_page_shows_anything_without_a_session(monkeypatch: pytest.MonkeyPatch, stack: Any, path: str) -> None:
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    page = go(open_portal(monkeypatch, stack, None), path)
    assert "Sign in to open this page." in said(page)
    assert not page.metric
    assert not page.dataframe


EMPTY = [
    ("viewer", "home", "Become a creator"),
    ("viewer", "account", "Sign out everywhere"),
    ("creator", "dashboard", "Getting started"),
    ("creator", "dashboard", "No money yet"),
    ("creator", "viewer-activity", "No videos"),
    ("creator", "account", "Change password"),
    ("creator", "explanations", "No videos"),
    ("reviewer", "viewer-activity", "Viewer activity"),
    ("reviewer", "explanations", "Explanations"),
    ("reviewer", "clusters", "Clusters"),
    ("admin", "revenue-window", "Revenue window"),
    ("creator", "payouts", "No payout yet"),
    ("creator", "payouts", "Add a payout method first"),
    ("creator", "payouts", "no money moves"),
    ("admin", "all-payouts", "All payouts"),
]


@pytest.mark.parametrize(("role", "path", "words"), EMPTY)
def test_a_page_without_data_says_what_will_bring_some(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], role: str, path: str, words: str
) -> None:
    page = go(open_portal(monkeypatch, stack, people(role)), path)
    assert not page.exception
    assert words in said(page)
    assert "None" not in said(page)
    assert "nan" not in said(page)


def test_a_viewer_becomes_a_creator_and_gets_a_dashboard(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person]
) -> None:
    page = open_portal(monkeypatch, stack, people())
    page.button(key="become_creator").click().run()
    assert "Dashboard" in said(page)
    assert not page.exception


def test_a_missing_kyc_check_is_the_one_thing_that_needs_attention(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person]
) -> None:
    blocked = open_portal(monkeypatch, stack, people("creator", kyc_level=0))
    assert "KYC level 0" in said(blocked)
    fine = open_portal(monkeypatch, stack, people("creator", kyc_level=3))
    assert "Needs your attention" not in said(fine)


def test_staff_score_a_day_from_the_page_once(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person]
) -> None:
    end = last_days(1).start - timedelta(days=40)
    day = Window(end - timedelta(days=1), end)
    video = make_video(stack, people("creator").user_id, "An older one", window=day)
    events = make_events(stack, video, make_viewers(stack, 12), window=day, seed=3)

    reviewer = people("reviewer")
    page = go(open_portal(monkeypatch, stack, reviewer), "viewer-activity")
    page.date_input(key="score_first").set_value(day.start.date())
    page.date_input(key="score_last").set_value(day.start.date())
    page.button(key="score_submit").click().run()
    assert f"Days scored: 1. Done before: 0. Events: {events}." in said(page)
    page.button(key="score_submit").click().run()
    assert "Days scored: 0. Done before: 1." in said(page)
    with psycopg.connect(stack.db_url) as sql:
        acts = sql.execute(
            "select figures ->> 'days' from audit_log where action = 'portal.scored_days' and actor_id = %s "
            "order by id",
            (reviewer.auth_id,),
        ).fetchall()
    assert acts == [("1",), ("0",)]

    page.date_input(key="score_last").set_value(day.start.date() - timedelta(days=1))
    page.button(key="score_submit").click().run()
    assert "The last day is before the first." in said(page)
