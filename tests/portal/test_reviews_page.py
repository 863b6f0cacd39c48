"""The review that explanations speak of: a creator asks, a reviewer answers, and then it changes what counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.timewindows import Window
from frontend import explanation_reads, navigation, shell
from frontend.auth import visitor
from frontend.navigation import REGISTRY
from tests.db.world import one
from tests.portal.scene import Person
from tests.portal.test_explanations_page import farm, signed_in
from tests.portal.test_pages import go, open_portal, said
from tests.portal.world import last_days, make_events, make_video, make_viewers
from viewer_activity import reviews
from viewer_activity.reviews import AskedBefore, NotYours
from viewer_activity.score import score_windows

pytestmark = pytest.mark.usefixtures("in_process")
WORDS = "They are the pupils of [my school](https://evil.example)."


@pytest.fixture
def school(stack: Any, people: Callable[..., Person], weeks: Any) -> tuple[Person, int, Window]:
    """A creator whose video was liked on one device by 24 accounts; scored."""
    end = last_days(1).start - timedelta(days=90 + 14 * next(weeks))
    window = Window(end - timedelta(days=7), end)
    creator = people("creator")
    video = make_video(stack, creator.user_id, "Sports day", window=window)
    make_events(stack, video, make_viewers(stack, 30), window=window, seed=1)
    farm(stack, video, window, 24)
    score_windows(stack.settings, [window])
    return creator, video, window


@pytest.fixture(scope="module")
def weeks() -> Any:
    return iter(range(50))


def group(stack: Any, person: Person, video: int, code: str) -> dict[str, Any] | None:
    found = explanation_reads.read_explanations(signed_in(stack, person), video)[0]
    return next((group for group in found.groups if group["code"] == code), None)


def ask(page: AppTest, video: int, words: str = WORDS) -> AppTest:
    page.selectbox(key=f"review_code_{video}").set_value("shared_device")
    page.text_area(key=f"review_words_{video}").set_value(words)
    return page.button(key=f"review_ask_{video}").click().run()


def test_asked_by_the_creator_upheld_by_a_reviewer_and_counted_in_full(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], school: Any
) -> None:
    creator, video, window = school
    before = group(stack, creator, video, "shared_device")
    assert before is not None
    assert before["counted"] < before["units"]
    page = go(open_portal(monkeypatch, stack, creator), "explanations")
    assert "say in 10 to 2,000 letters" in said(ask(page, video, "mine"))
    page = ask(page, video)
    assert not page.exception
    assert "waits for a reviewer" in said(page)
    # Their words are shown as text, and not as a link.
    assert WORDS in [text.value for text in page.text]
    left = [box.options for box in page.selectbox if box.key == f"review_code_{video}"]
    assert all("From accounts that share devices" not in options for options in left)

    reviewer = go(open_portal(monkeypatch, stack, people("reviewer")), "reviews")
    assert not reviewer.exception
    assert "72 likes from 24 accounts on 1 device counted as" in said(reviewer)
    with psycopg.connect(stack.db_url) as db:
        number = one(db, "select id from review_requests where video_id = %s", video)
    accounts = reviewer.multiselect(key=f"answer_clear_{number}")
    assert len(accounts.value) == 24
    reviewer.button(key=f"answer_uphold_{number}").click().run()
    assert "3 to 2,000 letters for the creator" in said(reviewer)
    reviewer.text_area(key=f"answer_words_{number}").set_value("The school confirms it.")
    reviewer.button(key=f"answer_uphold_{number}").click().run()
    assert not reviewer.exception
    assert f"Request {number} is upheld; 24 accounts are cleared." in said(reviewer)

    page = go(open_portal(monkeypatch, stack, creator), "explanations")
    assert "you were right" in said(page)
    assert "24 accounts cleared" in said(page)
    assert "The school confirms it." in [text.value for text in page.text]
    # And so the promise holds: weighed anew, they count in full.
    score_windows(stack.settings, [window])
    after = group(stack, creator, video, "appeal_upheld")
    assert after is not None
    assert after["counted"] == after["units"] == before["units"]
    assert group(stack, creator, video, "shared_device") is None


def test_rejected_it_stays_and_says_why(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], school: Any
) -> None:
    creator, video, window = school
    client = signed_in(stack, creator)
    number = reviews.ask(client, video, window.start, window.end, code="shared_device", words=WORDS)
    page = go(open_portal(monkeypatch, stack, people("admin")), "reviews")
    page.text_area(key=f"answer_words_{number}").set_value("All of it within one hour.")
    page.button(key=f"answer_reject_{number}").click().run()
    assert f"Request {number} is rejected." in said(page)
    assert "All of it within one hour." in [text.value for text in go(
        open_portal(monkeypatch, stack, creator), "explanations").text]  # fmt: skip
    with pytest.raises(AskedBefore):
        reviews.ask(client, video, window.start, window.end, code="shared_device", words=WORDS)
    found = reviews.of_video(client, video, window.start, window.end)
    assert [(one.status, one.cleared) for one in found] == [("rejected", 0)]


def test_another_creator_neither_asks_nor_reads(stack: Any, people: Callable[..., Person], school: Any) -> None:
    creator, video, window = school
    reviews.ask(signed_in(stack, creator), video, window.start, window.end, code="shared_device", words=WORDS)
    other = signed_in(stack, people("creator"))
    assert reviews.of_video(other, video, window.start, window.end) == []
    assert reviews.requests(other, is_open=True, limit=9) == []
    with pytest.raises(NotYours):
        reviews.ask(other, video, window.start, window.end, code="shared_device", words=WORDS)


def test_what_was_weighed_anew_since_is_told(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], school: Any
) -> None:
    creator, video, window = school
    reviews.ask(signed_in(stack, creator), video, window.start, window.end, code="shared_device", words=WORDS)
    with psycopg.connect(stack.db_url, autocommit=True) as db:
        db.execute("update video_explanations set groups = '[]' where video_id = %s", (video,))
    page = go(open_portal(monkeypatch, stack, people("reviewer")), "reviews")
    assert not page.exception
    assert "weighed anew since" in said(page)


@pytest.mark.parametrize("role", ["viewer", "creator"])
def test_the_queue_is_for_reviewers_and_behind_a_broken_guard_it_is_empty(
    role: str, monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], school: Any
) -> None:
    creator, video, window = school
    reviews.ask(signed_in(stack, creator), video, window.start, window.end, code="shared_device", words=WORDS)
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    somebody = people(role)
    assert "This page is for" in said(go(open_portal(monkeypatch, stack, somebody), "reviews"))
    monkeypatch.setattr(shell, "require", lambda path: visitor.current_visitor())
    assert "Nothing waits" in said(go(open_portal(monkeypatch, stack, somebody), "reviews"))
