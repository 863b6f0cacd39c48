"""Payouts on the pages: the reasons of the database, one payout a form, cancel, and hold and release for admins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from streamlit.testing.v1 import AppTest

from core.errors import StackError
from frontend import navigation, shell
from frontend.auth import visitor
from frontend.navigation import REGISTRY
from revenue_split import payouts, webhooks
from tests.db.world import one, post
from tests.portal.scene import Person, Portal
from tests.portal.test_pages import go, open_portal, said

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.fixture
def db(stack: Any) -> Any:
    with psycopg.connect(stack.db_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def creator(db: Any, people: Callable[..., Person]) -> Person:
    """A creator of level 2 with 100.00 available and a method."""
    person = people("creator", kyc_level=2)
    start = (("platform_revenue", None, -10_000), ("creator_available", person.user_id, 10_000))
    post(db, f"start {person.user_id}", *start)
    db.execute(
        "insert into payout_methods (user_id, provider, token, label) values (%s, 'simulator', 'sim_paid', %s)",
        (person.user_id, "My *own* account"),
    )
    return person


def payouts_of(db: Any, person: Person) -> list[tuple[Any, ...]]:
    return list(
        db.execute("select amount_cents, status from payouts where creator_id = %s order by id", (person.user_id,))
    )


def confirm(page: AppTest) -> AppTest:
    """Ticks the box that the amount is right."""
    box = next(box for box in page.checkbox if str(box.key).startswith("payout_sure_"))
    return box.check().run()


def test_a_creator_requests_and_cancels(monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, creator: Person) -> None:
    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    assert "no money moves" in said(page)
    assert page.text_input(key="payout_amount").value == "99.75"  # what the fee of 0.25 leaves
    page.text_input(key="payout_amount").set_value("40").run()
    assert page.button(key="payout_request").disabled
    confirm(page).button(key="payout_request").click().run()
    assert not page.exception
    assert payouts_of(db, creator) == [(4_000, "pending")]
    assert "waits to be sent" in said(page)
    assert "is still open (pending); one at a time." in said(page).replace("\\", "")
    number = one(db, "select id from payouts where creator_id = %s", creator.user_id)
    page.button(key=f"payout_cancel_{number}").click().run()
    assert payouts_of(db, creator) == [(4_000, "canceled")]
    assert "amount and fee are available again" in said(page)
    assert page.text_input(key="payout_amount").value == "99.75"


def test_a_form_whose_answer_got_lost_makes_one_payout(
    monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, creator: Person
) -> None:
    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    page.text_input(key="payout_amount").set_value("40").run()
    confirm(page)
    real = payouts.request

    def loses_the_answer(*arguments: Any, **named: Any) -> Any:
        real(*arguments, **named)
        monkeypatch.setattr(payouts, "request", real)
        raise StackError("the data API does not answer")

    monkeypatch.setattr(payouts, "request", loses_the_answer)
    page.button(key="payout_request").click().run()
    assert "does not answer" in said(page)
    assert payouts_of(db, creator) == [(4_000, "pending")]
    key = page.session_state["_payout_key"]
    assert one(db, "select idempotency_key from payouts where creator_id = %s", creator.user_id) == key


@pytest.mark.parametrize(
    ("typed", "words"),
    [("4.99", "at least 5.00 USD"), ("99.76", "are more than the 100.00 USD"), ("499.99", "are more than"),
     ("500", "At identity level 2 one payout is at most 499.99 USD"), ("1,2,3", "Enter an amount such as"),
     ("-5", "Enter an amount such as"), ("5.001", "Enter an amount such as")],
)  # fmt: skip
def test_the_page_says_why_not_as_the_refusal_does(
    typed: str, words: str, monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, creator: Person
) -> None:
    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    page.text_input(key="payout_amount").set_value(typed).run()
    assert words in said(page).replace("\\", "")
    assert "payout_request" not in [button.key for button in page.button]
    assert payouts_of(db, creator) == []


def test_a_creator_adds_and_removes_a_method(
    monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, people: Callable[..., Person]
) -> None:
    person = people("creator", kyc_level=2)
    page = go(open_portal(monkeypatch, stack, person), "payouts")
    page.text_input(key="method_label").set_value("Mine")
    page.button(key="method_add").click().run()
    number = one(db, "select id from payout_methods where user_id = %s", person.user_id)
    assert "Mine" in said(page)
    page.button(key=f"method_remove_{number}").click().run()
    assert one(db, "select removed_at is not null from payout_methods where id = %s", number) is True


def test_an_admin_holds_and_releases_and_the_creator_reads_why(
    monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, creator: Person, people: Callable[..., Person]
) -> None:
    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    confirm(page).button(key="payout_request").click().run()
    number = one(db, "select id from payouts where creator_id = %s", creator.user_id)

    admin = go(open_portal(monkeypatch, stack, people("admin")), "all-payouts")
    admin.selectbox(key="hold_payout").select(number)
    admin.text_input(key="hold_reason").set_value("A <b>second</b> look")
    admin.button(key="hold_place").click().run()
    assert payouts_of(db, creator)[0][1] == "held"

    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    assert "A <b>second</b> look" in said(page).replace("\\", "")

    admin = go(open_portal(monkeypatch, stack, people("admin")), "all-payouts")
    admin.selectbox(key="release_payout").select(number)
    admin.button(key="release_payout_now").click().run()
    assert "stays on hold" in said(admin)
    hold = one(db, "select max(id) from payout_holds")
    admin.text_input(key=f"hold_why_{hold}").set_value("it is fine").run()
    admin.button(key=f"hold_release_{hold}").click().run()
    assert not admin.exception
    assert payouts_of(db, creator)[0][1] == "pending"


def test_an_admin_gives_back_what_was_taken_by_mistake(
    monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, creator: Person, people: Callable[..., Person]
) -> None:
    taken = "select claw_back(%s, 'fraud', %s, 12000, 'Confirmed by two people.')"
    number = one(db, taken, creator.user_id, f"case {creator.user_id}")["clawback_id"]
    admin = go(open_portal(monkeypatch, stack, people("admin")), "all-payouts")
    admin.selectbox(key="give_back_number").select(number)
    admin.button(key="give_back_press").click().run()
    assert "a reason of 3 to 300 letters" in said(admin)
    admin.text_input(key="give_back_reason").set_value("It was another account.")
    admin.button(key="give_back_press").click().run()
    assert not admin.exception
    assert f"Clawback {number} is given back: $100.00 available, $20.00 less is owed." in said(admin)
    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    assert page.text_input(key="payout_amount").value == "99.75"


def test_behind_a_broken_page_guard_the_database_shows_a_creator_only_their_own(
    monkeypatch: pytest.MonkeyPatch, stack: Any, db: Any, creator: Person, people: Callable[..., Person]
) -> None:
    page = go(open_portal(monkeypatch, stack, creator), "payouts")
    confirm(page).button(key="payout_request").click().run()
    monkeypatch.setattr(navigation, "pages_for", lambda *roles, local=False: REGISTRY)
    monkeypatch.setattr(shell, "require", lambda path: visitor.current_visitor())
    other = go(open_portal(monkeypatch, stack, people("creator")), "all-payouts")
    assert "No payout yet" in said(other)


def test_the_webhook_route_takes_what_is_signed_and_nothing_else(portal: Portal, stack: Any) -> None:
    """Without a secret in the surroundings no webhook is taken at all: try again later."""
    answer = httpx.post(f"{portal.url}/webhooks/payouts/simulator", content=b"{}")
    assert (answer.status_code, answer.text) == (503, "later")
    long = httpx.post(f"{portal.url}/webhooks/payouts/simulator", content=b"x" * (webhooks.MOST_BYTES + 1))
    assert long.status_code == 413
