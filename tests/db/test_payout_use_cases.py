"""Payouts from Python: the simulator's ways, silence, webhooks, and the comparison of the books."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from typer.testing import CliRunner

from core.errors import ConfigError, FairshareError
from core.settings import Settings
from frontend import surroundings
from frontend import webhooks as route
from revenue_split import ledger_checks, payouts, webhooks
from revenue_split.calls import sql_refusals
from revenue_split.errors import EventChanged, NotAllowed
from revenue_split.providers import Message, NoAnswer, Order, StatedTransfer
from revenue_split.simulator import TOKENS, Simulator
from tests.db.world import World, method, one, people, post, request

FEE = 25
START = 10_000


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    world = people(sql_db)
    for name in ("owner", "other"):
        give = (("platform_revenue", None, -START), ("creator_available", world.users[name], START))
        post(sql_db, f"start {name}", *give)
    return world


@pytest.fixture
def settings(sql_db_url: str) -> Settings:
    return Settings(
        supabase_url="http://127.0.0.1:1", supabase_publishable_key="x", supabase_db_url=sql_db_url,
        fairshare_webhook_secret="whsec",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def the_books_are_in_order_afterwards(sql_db: psycopg.Connection) -> Iterator[None]:
    yield
    assert [found for found in ledger_checks.check(sql_db) if found.rows] == []


def status(db: psycopg.Connection) -> str:
    return str(one(db, "select status from payouts order by id desc limit 1"))


def available(db: psycopg.Connection, world: World) -> int:
    return int(one(db, "select balance_cents(%s, 'creator_available', 'USD')", world.users["owner"]))


WAYS = {
    # token: states after each run, what of 10,000 is available in the end, attempts, calls of the simulator
    "sim_paid": (["paid"], START - 4_000 - FEE, 1, 1),
    "sim_failed": (["failed"], START, 1, 1),
    "sim_timeout": (["in_transit", "paid"], START - 4_000 - FEE, 1, 2),
    "sim_lost_reply": (["paid"], START - 4_000 - FEE, 1, 1),
    "sim_late_return": (["paid", "returned", "returned"], START - FEE, 1, 1),
    "sim_busy": (["in_transit", "paid"], START - 4_000 - FEE, 2, 2),
}


def test_every_way_of_the_simulator_is_tried() -> None:
    assert set(WAYS) == set(TOKENS)


@pytest.mark.parametrize("token", WAYS)
def test_each_way_ends_where_it_should_and_the_books_agree_at_every_stop(
    token: str, sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    states, in_the_end, attempts, calls = WAYS[token]
    request(sql_db, world, 4_000, method_id=method(sql_db, world, token=token))
    for state in states:
        payouts.send_due(settings)
        assert status(sql_db) == state
        assert payouts.reconcile(settings, Simulator(settings)) == []
    assert payouts.send_due(settings) == {}
    assert available(sql_db, world) == in_the_end
    assert one(sql_db, "select count(*) from payout_attempts") == attempts
    assert one(sql_db, "select sum(calls) from simulator_transfers") == calls


def test_a_stop_between_begin_and_send_is_taken_up_again(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    mine = request(sql_db, world, 4_000)["payout_id"]
    sql_db.execute("select begin_payout_transfer(%s)", (mine,))  # and the job dies
    payouts.send_due(settings)
    assert status(sql_db) == "paid"
    assert one(sql_db, "select count(*) from simulator_transfers") == 1


class Forgetful(Simulator):
    """Makes the transfer and stays silent, and its look-up fails to see it: the worst that a retry can meet."""

    def send(self, order: Order) -> Message:
        super().send(order)
        raise NoAnswer(order.provider_key)

    def look_up(self, provider_key: str) -> Message | None:
        return None


def test_a_transfer_is_made_once_even_when_the_provider_is_asked_over_and_over(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    request(sql_db, world, 4_000)
    silent = {"simulator": Forgetful(settings)}
    for _ in range(3):
        payout_id = one(sql_db, "select id from payouts")
        assert payouts.transfer(settings, silent, payout_id) == "no answer"
        assert status(sql_db) == "in_transit"
    payouts.send_due(settings)
    assert status(sql_db) == "paid"
    assert sql_db.execute("select count(*), sum(amount_cents) from simulator_transfers").fetchall() == [(1, 4_000)]


def test_what_was_canceled_or_held_since_it_was_listed_is_left_alone(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    mine = request(sql_db, world)["payout_id"]
    ways = payouts.all_providers(settings)
    hold = payouts.hold(settings, world.users["owner"], reason="a second look")
    assert payouts.transfer(settings, ways, mine) == "overtaken"
    assert payouts.release_hold(settings, hold, reason="it is fine") == [mine]
    payouts.cancel(settings, mine)
    assert payouts.transfer(settings, ways, mine) == "overtaken"
    assert one(sql_db, "select count(*) from simulator_transfers") == 0


def test_a_payout_that_is_held_at_the_last_look_is_not_sent(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    request(sql_db, world)
    sql_db.execute("update users set kyc_level = null")
    assert payouts.send_due(settings) == {"held": 1}
    assert payouts.send_due(settings) == {}
    assert one(sql_db, "select count(*) from simulator_transfers") == 0
    sql_db.execute("update users set kyc_level = 3")
    payouts.release(settings, one(sql_db, "select id from payouts"))
    assert payouts.send_due(settings)["accepted"] == 1


def test_eligibility_in_python_is_what_the_database_says(settings: Settings, world: World) -> None:
    shown = payouts.eligibility(settings, amount_cents=400, user_id=world.users["owner"])
    assert (shown.may_request, shown.available_cents, shown.kyc_level) == (False, START, 3)
    assert [reason.code for reason in shown.reasons] == ["no_method", "minimum"]


# -- the comparison of the books ----------------------------------------------------------------------------------

PAID = StatedTransfer("k", 100, "USD", "paid")


@pytest.mark.parametrize(
    ("ours", "theirs", "count"),
    [
        ([PAID], [PAID], 0),
        ([PAID], [], 1),
        ([], [PAID], 1),
        ([PAID], [replace(PAID, amount_cents=101)], 1),
        ([PAID], [replace(PAID, state="returned")], 1),
        ([replace(PAID, state="open")], [PAID], 1),
        ([replace(PAID, state="open")], [], 0),
        ([replace(PAID, state="open")], [replace(PAID, amount_cents=1)], 1),
        ([replace(PAID, state="not paid")], [], 0),
        ([replace(PAID, state="not paid")], [PAID], 1),
    ],
)
def test_two_statements_differ_where_they_do(
    ours: list[StatedTransfer], theirs: list[StatedTransfer], count: int
) -> None:
    assert len(payouts.differences(ours, theirs)) == count


def test_the_command_ends_with_1_when_the_provider_has_other_books(
    sql_db: psycopg.Connection, settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(payouts, "load_settings", lambda stack: settings)
    application = payouts.typer.Typer()
    application.command()(payouts.main)
    assert (CliRunner().invoke(application, []).output, status_count(sql_db)) == ("nothing was due\n", 0)
    request(sql_db, world, 4_000)
    done = CliRunner().invoke(application, [])
    assert (done.exit_code, done.output) == (0, "accepted: 1\nnews: applied: 1\n")
    sql_db.execute("update simulator_transfers set amount_cents = 4001")
    done = CliRunner().invoke(application, [])
    assert done.exit_code == 1
    assert "we have 4000 cents USD, paid, the provider has 4001 cents USD, paid" in done.output


def status_count(db: psycopg.Connection) -> int:
    return int(one(db, "select count(*) from payouts"))


# -- webhooks -------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)


def sent(db: psycopg.Connection, world: World) -> Message:
    """A payout in transit, and the message that it was paid."""
    mine = request(db, world, 4_000)["payout_id"]
    begun = one(db, "select begin_payout_transfer(%s)", mine)
    return Message("evt_1", "transfer.paid", begun["provider_key"], 4_000, "USD", NOW.isoformat())


def packed(message: Message, **more: object) -> bytes:
    return json.dumps({"event_id": message.event_id} | message.content() | more).encode()


def test_a_signed_webhook_is_applied_once_and_fields_that_we_do_not_know_are_left_out(
    sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    body = packed(sent(sql_db, world), livemode=False)
    header = webhooks.signature("whsec", body, NOW)
    outcomes = [webhooks.receive(settings, "simulator", body, header, NOW) for _ in range(2)]
    assert (outcomes, status(sql_db)) == (["applied", "applied"], "paid")
    assert one(sql_db, "select count(*) from provider_events") == 1
    other = packed(replace(Message.from_json(json.loads(body)), kind="transfer.failed"))
    with pytest.raises(EventChanged):
        webhooks.receive(settings, "simulator", other, webhooks.signature("whsec", other, NOW), NOW)


def test_the_route_takes_a_signed_webhook_and_no_other(
    sql_db: psycopg.Connection, settings: Settings, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "settings", lambda: settings)
    transport = httpx.ASGITransport(Starlette(routes=route.ROUTES))
    message = sent(sql_db, world)
    body = packed(message)

    def answer(header: str, content: bytes = body, method: str = "POST") -> tuple[int, str]:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://portal") as door:
                headers = {route.SIGNATURE: header}
                return await door.request(method, "/webhooks/payouts/simulator", content=content, headers=headers)

        reply = asyncio.run(ask())
        return reply.status_code, reply.text

    right = webhooks.signature("whsec", body, datetime.now(UTC))
    assert answer("") == (400, "refused")
    assert answer(webhooks.signature("other", body, datetime.now(UTC))) == (400, "refused")
    assert answer(right, body + b" ") == (400, "refused")
    assert answer(right, b"x" * (webhooks.MOST_BYTES + 1)) == (413, "too long")
    assert (status(sql_db), one(sql_db, "select count(*) from provider_events")) == ("in_transit", 0)
    assert [answer(right), answer(right)] == [(200, "applied")] * 2
    assert (status(sql_db), one(sql_db, "select count(*) from provider_events")) == ("paid", 1)
    assert answer(right, method="GET")[0] == 405


FORGERIES = {
    "another secret": (lambda body: webhooks.signature("other", body, NOW), 0, "not signed"),
    "another body": (lambda body: webhooks.signature("whsec", body + b" ", NOW), 0, "not signed"),
    "no signature": (lambda body: "", 0, "no signature"),
    "nonsense": (lambda body: "t=1,v1=zz", 0, "no signature"),
    "old": (lambda body: webhooks.signature("whsec", body, NOW), 301, "more than 300 seconds"),
    "from the future": (lambda body: webhooks.signature("whsec", body, NOW), -301, "more than 300 seconds"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_webhook_that_is_not_theirs_is_refused(
    forgery: str, sql_db: psycopg.Connection, settings: Settings, world: World
) -> None:
    header, later_s, words = FORGERIES[forgery]
    body = packed(sent(sql_db, world))
    with pytest.raises(webhooks.WebhookRefused, match=words):
        webhooks.receive(settings, "simulator", body, header(body), NOW + timedelta(seconds=later_s))
    assert (status(sql_db), one(sql_db, "select count(*) from provider_events")) == ("in_transit", 0)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b'"x"', b"{}", b"\xff", b'{"event_id": "x"}', b"x" * 70_000]
)
def test_a_signed_body_that_is_no_message_is_refused(body: bytes, settings: Settings, world: World) -> None:
    with pytest.raises(webhooks.WebhookRefused):
        webhooks.receive(settings, "simulator", body, webhooks.signature("whsec", body, NOW), NOW)


def test_without_a_secret_no_webhook_is_taken(settings: Settings, world: World) -> None:
    without = settings.model_copy(update={"fairshare_webhook_secret": None})
    with pytest.raises(ConfigError, match="FAIRSHARE_WEBHOOK_SECRET"):
        webhooks.receive(without, "simulator", b"{}", "", NOW)
    empty = settings.model_copy(update={"fairshare_webhook_secret": SecretStr("other")})
    with pytest.raises(FairshareError):
        webhooks.receive(empty, "simulator", b"{}", webhooks.signature("", b"{}", NOW), NOW)


def test_a_creator_is_told_what_they_may_not_ask(sql_db: psycopg.Connection, settings: Settings, world: World) -> None:
    other = world.users["other"]
    with psycopg.connect(settings.supabase_db_url.get_secret_value()) as db:  # type: ignore[union-attr]
        db.execute("select set_config('request.jwt.claim.sub', %s, false)", (str(world.logins["owner"]),))
        db.execute("set role authenticated")
        with pytest.raises(NotAllowed), sql_refusals():
            db.execute("select payout_eligibility(p_user_id => %s)", (other,))
