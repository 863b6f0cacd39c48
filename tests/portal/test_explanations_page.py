"""Explanations and clusters as each role meets them: a creator's own videos alone, guarded in page and database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from postgrest.exceptions import APIError

from core.timewindows import Window
from frontend import explaining, explanation_reads, navigation, shell
from frontend.auth import flows, visitor
from frontend.auth.visitor import Visitor
from frontend.explanation_reads import DayParts
from frontend.navigation import REGISTRY
from revenue_split import policies, windows
from revenue_split.counterfactual import pay_without
from revenue_split.policy import FAIRSHARE_V1, PoolInputs
from supabase_conn import user_client
from tests.portal.scene import PASSWORD, Person
from tests.portal.test_pages import go, open_portal, said
from tests.portal.world import last_days, make_events, make_video, make_viewers, take_back_windows
from ui.cards import Standing
from viewer_activity.score import score_windows

pytestmark = pytest.mark.usefixtures("in_process")
TITLE = "A <b>farm</b> came [here](https://evil.example)"


def farm(stack: Any, video: int, window: Window, accounts: int) -> None:
    """Accounts on one device that like one video again and again."""
    made = make_viewers(stack, accounts)
    rows = [
        (video, user, "like", window.start + timedelta(hours=6 + n), "farm", "one-address")
        for user in made
        for n in range(3)
    ]
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        sql.execute("select public.ensure_event_partitions(%s, %s)", [window.start.date(), window.end.date()])
        sql.cursor().executemany(
            "insert into public.event (video_id, user_id, event_type, ts, device_id, ip_hash)"
            " values (%s, %s, %s, %s, %s, %s)",
            rows,
        )


@pytest.fixture(scope="module")
def week(stack: Any, people: Callable[..., Person]) -> tuple[Person, int, Person, int, Window]:
    """Two creators with a video each, the first one with a farm; scored."""
    end = last_days(1).start - timedelta(days=60)
    window = Window(end - timedelta(days=7), end)
    creator, other = people("creator"), people("creator")
    mine = make_video(stack, creator.user_id, TITLE, window=window)
    theirs = make_video(stack, other.user_id, "Somebody else's", window=window)
    viewers = make_viewers(stack, 30)
    make_events(stack, mine, viewers, window=window, seed=1)
    make_events(stack, theirs, viewers, window=window, seed=2)
    farm(stack, mine, window, 24)
    score_windows(stack.settings, [window])
    return creator, mine, other, theirs, window


def signed_in(stack: Any, person: Person) -> Any:
    client = user_client(stack.settings)
    flows.sign_in(client, email=person.email, password=PASSWORD)
    return client


def test_a_creator_reads_why_in_words(monkeypatch: pytest.MonkeyPatch, stack: Any, week: Any) -> None:
    creator = week[0]
    page = go(open_portal(monkeypatch, stack, creator), "explanations")
    assert not page.exception
    words = said(page)
    assert "72 likes from 24 accounts on 1 device counted as" in words
    assert "From accounts that share devices" in words
    assert "units of engagement counted" in words
    assert "Without these events" in words
    # A title is shown as text.
    assert TITLE in [text.value for text in page.text]
    assert not any(TITLE in element.value for element in page.markdown)
    assert "Somebody else's" not in words
    assert page.selectbox(key="explain_video").options == [TITLE]


def test_another_creators_explanation_is_refused_by_the_database(stack: Any, week: Any) -> None:
    creator, mine, _, theirs, window = week
    client = signed_in(stack, creator)
    assert explanation_reads.read_explanations(client, mine)
    assert explanation_reads.read_explanations(client, theirs) == []
    most = explanation_reads.read_most_discounted(client, window.start, window.end, limit=9)
    assert [one.video_id for one in most] == [mine]
    assert explanation_reads.read_windows(client) == []
    assert explanation_reads.read_clusters(client, window.start, window.end, limit=9) == []
    assert client.table("viewer_weights").select("user_id").execute().data == []
    with pytest.raises(APIError) as refused:
        client.table("video_explanations").update({"groups": []}).eq("video_id", mine).execute()
    assert refused.value.code == "42501"


@pytest.mark.parametrize(
    ("role", "path"), [("viewer", "explanations"), ("viewer", "clusters"), ("creator", "clusters")]
)
def test_the_page_refuses_whom_it_is_not_for(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], role: str, path: str
) -> None:
    """Even if the menu were wrong: the page's own guard stands."""
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    page = go(open_portal(monkeypatch, stack, people(role)), path)
    assert "This page is for" in said(page)
    assert not page.selectbox


def test_behind_a_broken_page_guard_the_database_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], week: Any
) -> None:
    """Without `require` the page opens, so the test above can go red; there is nothing on it all the same."""
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    monkeypatch.setattr(shell, "require", lambda path: visitor.current_visitor())
    page = go(open_portal(monkeypatch, stack, people("creator")), "clusters")
    assert "Nothing weighed yet" in said(page)
    assert not page.dataframe


def test_a_reviewer_sees_the_most_discounted_first_and_any_video_by_number(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], week: Any
) -> None:
    _, mine, _, theirs, window = week
    page = go(open_portal(monkeypatch, stack, people("reviewer")), "explanations")
    chosen = page.selectbox(key="explain_window")
    page = chosen.set_value((window.start, window.end)).run()
    heads = [head.value for head in page.subheader]
    assert heads[0] == f"Video {mine}"
    page = page.text_input(key="explain_search").set_value(str(theirs)).run()
    assert [head.value for head in page.subheader] == [f"Video {theirs}"]


def test_a_reviewer_decides_on_an_account_of_a_cluster(
    monkeypatch: pytest.MonkeyPatch, stack: Any, people: Callable[..., Person], week: Any
) -> None:
    """The farm is written down as a cluster here by hand; that clusters are found is tested where they are."""
    _, _, _, _, window = week
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        span = (window.start, window.end, "fairshare_v1")
        users = sql.execute(
            "update public.viewer_weights set cluster_id = u.least from (select min(user_id) as least from"
            " public.viewer_weights where window_start = %s and 'shared_device' = any (reasons)) u"
            " where window_start = %s and 'shared_device' = any (reasons) returning user_id",
            (window.start, window.start),
        ).fetchall()
        evidence = (
            '{"active": 24, "acts": 72, "views": 0, "reports": 0, "videos": 1, "creators": 1, "devices": 1,'
            ' "addresses": 1, "most_on_one_device": 24, "meetings": [], "favourites": []}'
        )
        sql.execute(
            "insert into public.viewer_clusters values (%s, %s, %s, %s, %s, 2, %s) on conflict do nothing",
            (*span, min(users)[0], len(users), evidence),
        )
    reviewer = people("reviewer")
    page = go(open_portal(monkeypatch, stack, reviewer), "clusters")
    page = page.selectbox(key="cluster_window").set_value((window.start, window.end)).run()
    assert not page.exception
    account = page.selectbox(key="verdict_account").value
    page.selectbox(key="verdict_code_confirmed").set_value("paid_engagement")
    page.text_area(key="verdict_note").set_value("seen on an offer")
    page.button(key="verdict_submit").click().run()
    assert "is written" in said(page)
    with psycopg.connect(stack.db_url, autocommit=True) as sql:
        row = sql.execute(
            "select verdict, reason_code, note, decided_by from public.account_labels where user_id = %s", (account,)
        ).fetchone()
    assert row == ("confirmed", "paid_engagement", "seen on an offer", reviewer.user_id)


def test_the_parts_and_the_small_audience_add_up_to_the_score() -> None:
    days = [DayParts(70.0, 80.0, 50.0, 60.0, 90.0, 3.0), DayParts(60.0, 40.0, 50.0, 60.0, 90.0, 1.0)]
    found = explaining.summary_of(days)
    assert found is not None
    assert found.parts[0] == ("Engagement", (3 * 80 + 40) / 4, 0.4)
    points = sum(weight * (score or 0) for _, score, weight in found.parts)
    assert points + found.moved == pytest.approx((3 * 70 + 60) / 4)
    assert explaining.summary_of([]) is None


def test_pay_without_follows_the_policy_that_the_window_was_closed_under(
    stack: Any, people: Callable[..., Person], week: Any
) -> None:
    """Not today's rule: a steeper one would have paid less for the same score."""
    creator, mine, _, _, window = week
    # Verdicts of the tests before may wait to be weighed.
    score_windows(stack.settings, [window], again=True)
    steep = policies.keep(stack.settings, replace(FAIRSHARE_V1, name="steep", gamma=7))
    figures = windows.preview(stack.settings, window, PoolInputs(gross_cents=100_000), steep)
    windows.close(stack.settings, figures, "closed by a steep policy")
    try:
        client = signed_in(stack, creator)
        paid = explanation_reads.read_paid_windows(client, everybodys=False)
        assert [(one.start, one.end, one.policy.gamma) for one in paid] == [(window.start, window.end, 7)]
        assert explanation_reads.read_paid_windows(signed_in(stack, people("creator")), everybodys=False) == []
        admins = explanation_reads.read_paid_windows(signed_in(stack, people("admin")), everybodys=True)
        assert paid[0] in admins
        found = explanation_reads.read_explanations(client, mine)[0]
        pay, standing = explaining.pay_of(cast(Visitor, SimpleNamespace(client=client)), found, paid)
        assert standing is Standing.FINAL
        assert pay is not None
        assert pay.policy == steep
        gentle = pay_without(10_000, found.figures, FAIRSHARE_V1)
        assert pay_without(10_000, found.figures, pay.policy) != gentle
    finally:
        take_back_windows(stack, window)
    assert explanation_reads.read_paid_windows(client, everybodys=False) == []
