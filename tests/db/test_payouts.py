"""Payouts: asked for once, checked under the lock, every step an event, and never more out than there is."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from revenue_split import ledger_checks
from tests.db.world import World, acting_as, begin, method, news, one, payout, people, post, request

FEE = 25
START = 10_000


@pytest.fixture
def world(sql_db: psycopg.Connection) -> World:
    """Two creators of KYC level 3 with 100.00 available each."""
    world = people(sql_db)
    for name in ("owner", "other"):
        give(sql_db, world, START, name)
    return world


@pytest.fixture(autouse=True)
def the_books_are_in_order_afterwards(sql_db: psycopg.Connection) -> Any:
    yield
    assert [found for found in ledger_checks.check(sql_db) if found.rows] == []


def give(db: psycopg.Connection, world: World, cents: int, name: str = "owner", key: str = "start") -> None:
    post(db, f"{key} {name}", ("platform_revenue", None, -cents), ("creator_available", world.users[name], cents))


def held(db: psycopg.Connection, world: World, name: str = "owner") -> dict[str, int]:
    """Available, payout pending and receivable of a creator."""
    query = "select available_cents, payout_pending_cents, receivable_cents from creator_balances where user_id = %s"
    row = db.execute(query, (world.users[name],)).fetchone()
    return dict(zip(("available", "pending", "owed"), row or (0, 0, 0), strict=True))


def status(db: psycopg.Connection, payout_id: int) -> str:
    return str(one(db, "select status from payouts where id = %s", payout_id))


def steps(db: psycopg.Connection, payout_id: int) -> list[str]:
    return [row[0] for row in db.execute("select to_status from payout_events where payout_id = %s order by id",
                                         (payout_id,))]  # fmt: skip


def refused(call: Callable[[], object]) -> psycopg.Error:
    with pytest.raises(psycopg.Error) as caught:
        call()
    return caught.value


def eligibility(db: psycopg.Connection, world: World, name: str = "owner", cents: int | None = None) -> dict[str, Any]:
    with acting_as(db, name, world):
        answer: dict[str, Any] = one(db, "select payout_eligibility(%s)", cents)
    return answer


# -- request --------------------------------------------------------------------------------------------------------


def test_a_request_sets_amount_and_fee_aside_and_creates_nothing(sql_db: psycopg.Connection, world: World) -> None:
    answer = request(sql_db, world, 4_000)
    assert (answer["status"], answer["amount_cents"], answer["fee_cents"]) == ("pending", 4_000, FEE)
    assert held(sql_db, world) == {"available": START - 4_000 - FEE, "pending": 4_000 + FEE, "owed": 0}
    assert steps(sql_db, answer["payout_id"]) == ["requested", "pending"]


def test_a_retry_gives_the_same_answer_and_one_effect_even_when_the_payout_has_moved_on(
    sql_db: psycopg.Connection, world: World
) -> None:
    first = request(sql_db, world, 4_000)
    assert request(sql_db, world, 4_000) == first | {"replayed": True}
    news(sql_db, begin(sql_db, first["payout_id"]), "transfer.paid", event_id="e")
    assert request(sql_db, world, 4_000) == first | {"replayed": True}
    assert held(sql_db, world) == {"available": START - 4_000 - FEE, "pending": 0, "owed": 0}


def test_the_same_key_for_another_payout_is_an_error(sql_db: psycopg.Connection, world: World) -> None:
    request(sql_db, world, 4_000)
    assert refused(lambda: request(sql_db, world, 4_001)).sqlstate == "22Z01"
    elsewhere = method(sql_db, world, token="sim_other")
    assert refused(lambda: request(sql_db, world, 4_000, method_id=elsewhere)).sqlstate == "22Z01"


def test_two_creators_may_use_the_same_key(sql_db: psycopg.Connection, world: World) -> None:
    first = request(sql_db, world)
    assert request(sql_db, world, name="other")["payout_id"] != first["payout_id"]


def no_kyc(db: psycopg.Connection, world: World) -> None:
    db.execute("update users set kyc_level = 0 where id = %s", (world.users["owner"],))


def kyc(level: int | None) -> Callable[[psycopg.Connection, World], None]:
    def change(db: psycopg.Connection, world: World) -> None:
        db.execute("update users set kyc_level = %s where id = %s", (level, world.users["owner"]))

    return change


def owes(db: psycopg.Connection, world: World) -> None:
    post(db, "debt", ("creator_receivable", world.users["owner"], -1), ("platform_revenue", None, 1))


def is_viewer(db: psycopg.Connection, world: World) -> None:
    db.execute("update users set is_creator = false where id = %s", (world.users["owner"],))


def nothing(db: psycopg.Connection, world: World) -> None:
    give(db, world, 90_000, key="more")


def has_one(db: psycopg.Connection, world: World) -> None:
    request(db, world, key="first")


REFUSALS = {
    "under the minimum": (nothing, 499, "22Z20", "A payout is at least 5.00 USD."),
    "more than there is": (nothing, 100_000, "22Z21", "1000.00 and the fee of 0.25 are more than the 1000.00 USD"),
    "more than there is, with the fee": (nothing, 100_000 - FEE + 1, "22Z21", "are more than"),
    "level 0": (kyc(0), 500, "22Z22", "yours is not verified"),
    "level 1 at 100.00": (kyc(1), 10_000, "22Z22", "at most 99.99 USD"),
    "level unknown": (kyc(None), 500, "22Z23", "not known"),
    "another one open": (has_one, 500, "22Z24", "still open (pending)"),
    "something is owed": (owes, 500, "22Z29", "0.01 USD are owed"),
    "no creator": (is_viewer, 500, "22Z33", "Only creators"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_refuses_a_request_says_the_same_on_the_page(case: str, sql_db: psycopg.Connection, world: World) -> None:
    arrange, cents, code, words = REFUSALS[case]
    usual = method(sql_db, world)
    arrange(sql_db, world)
    before = held(sql_db, world)
    shown = eligibility(sql_db, world, cents=cents)
    error = refused(lambda: request(sql_db, world, cents, key="refused", method_id=usual))
    assert error.sqlstate == code
    assert words in (error.diag.message_primary or "")
    assert not shown["may_request"]
    assert shown["reasons"][0] | {"holds": None} == {
        "code": shown["reasons"][0]["code"], "sqlstate": code, "sentence": error.diag.message_primary, "holds": None,
    }  # fmt: skip
    assert held(sql_db, world) == before
    assert one(sql_db, "select count(*) from payouts where idempotency_key = 'refused'") == 0


@pytest.mark.parametrize(("level", "most"), [(1, 9_999), (2, 49_999), (3, 200_000)])
def test_each_kyc_level_may_take_its_most_and_not_a_cent_more(
    level: int, most: int, sql_db: psycopg.Connection, world: World
) -> None:
    give(sql_db, world, 200_000 + FEE - START, key="more")
    usual = method(sql_db, world)
    kyc(level)(sql_db, world)
    assert eligibility(sql_db, world)["most_cents"] == most
    with_one_more = refused(lambda: request(sql_db, world, most + 1, method_id=usual)).sqlstate
    assert with_one_more == ("22Z21" if level == 3 else "22Z22")
    assert request(sql_db, world, most)["status"] == "pending"


def test_a_level_that_can_not_be_read_is_neither_level_0_nor_without_limit(
    sql_db: psycopg.Connection, world: World
) -> None:
    """The bug: a failed read became 0, and level 0 had no entry in the table of limits, hence none."""
    usual = method(sql_db, world)
    for level, code in ((None, "22Z23"), (0, "22Z22")):
        kyc(level)(sql_db, world)
        assert eligibility(sql_db, world)["most_cents"] == 0
        assert refused(lambda: request(sql_db, world, 500, method_id=usual)).sqlstate == code
        row = "insert into payouts (creator_id, method_id, currency, amount_cents, fee_cents, kyc_level, "
        row += "idempotency_key, request_hash, status) values (%s, %s, 'USD', 500, 0, %s, 'x', 'x', 'requested')"
        with pytest.raises(psycopg.errors.IntegrityError):
            sql_db.execute(row, (world.users["owner"], usual, level))


def test_a_method_must_be_ones_own_and_there(sql_db: psycopg.Connection, world: World) -> None:
    foreign = method(sql_db, world, "other")
    assert refused(lambda: request(sql_db, world, method_id=foreign)).sqlstate == "22Z28"
    mine = method(sql_db, world)
    with acting_as(sql_db, "owner", world):
        sql_db.execute("select remove_payout_method(%s)", (mine,))
    assert refused(lambda: request(sql_db, world, method_id=mine)).sqlstate == "22Z28"
    # Past the function too: the key of the table holds method and creator together.
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        sql_db.execute(
            "insert into payouts (creator_id, method_id, currency, amount_cents, fee_cents, kyc_level, "
            "idempotency_key, request_hash, status) values (%s, %s, 'USD', 500, 0, 3, 'x', 'x', 'requested')",
            (world.users["owner"], foreign),
        )


def test_a_fee_in_basis_points_is_rounded_up_and_most_is_exact(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("update payout_providers set fee_bp = 130, fee_cents = 7")
    method(sql_db, world)
    most = eligibility(sql_db, world)["most_cents"]
    # 9865 x 1.3 % = 128.245 -> 129, and 9865 + 129 + 7 = 10001: one cent less fits.
    assert most == 9_864
    assert refused(lambda: request(sql_db, world, most + 1)).sqlstate == "22Z21"
    assert request(sql_db, world, most)["fee_cents"] == 129 + 7


def test_people_ask_about_themselves_and_reviewers_about_anybody(sql_db: psycopg.Connection, world: World) -> None:
    owner = world.users["owner"]
    for actor, may in (("owner", True), ("reviewer", True), ("service_role", True), ("other", False), ("anon", False)):
        if may:
            with acting_as(sql_db, actor, world):
                answer = one(sql_db, "select payout_eligibility(p_user_id => %s)", owner)
            assert answer["available_cents"] == START
        else:
            with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
                sql_db.execute("select payout_eligibility(p_user_id => %s)", (owner,))


# -- cancel -----------------------------------------------------------------------------------------------------------


def test_cancel_gives_amount_and_fee_back_at_once_and_only_once(sql_db: psycopg.Connection, world: World) -> None:
    """A reversal counted twice, a reversal aged again: both are bugs that others had."""
    first = request(sql_db, world, 9_000)["payout_id"]
    for replayed in (False, True):
        with acting_as(sql_db, "owner", world):
            answer = one(sql_db, "select cancel_payout(%s, 'changed my mind')", first)
        assert answer == {"payout_id": first, "status": "canceled", "replayed": replayed}
        assert held(sql_db, world) == {"available": START, "pending": 0, "owed": 0}
    assert one(sql_db, "select count(*) from reserves") == 0
    assert request(sql_db, world, START - FEE, key="all of it at once")["status"] == "pending"


def test_only_its_creator_or_an_admin_cancels(sql_db: psycopg.Connection, world: World) -> None:
    mine = request(sql_db, world)["payout_id"]
    for actor, code in (("anon", "42501"), ("stranger", "22Z27"), ("other", "22Z27"), ("reviewer", "22Z27")):
        with pytest.raises(psycopg.Error) as caught, acting_as(sql_db, actor, world):
            sql_db.execute("select cancel_payout(%s)", (mine,))
        assert (caught.value.sqlstate, status(sql_db, mine)) == (code, "pending")
    with acting_as(sql_db, "admin", world):
        sql_db.execute("select cancel_payout(%s, 'asked by mail')", (mine,))
    who = one(sql_db, "select actor_id from payout_events where payout_id = %s and to_status = 'canceled'", mine)
    assert who == world.users["admin"]


@pytest.mark.parametrize("end", ["transfer.accepted", "transfer.paid", "transfer.failed", "transfer.returned"])
def test_what_has_left_is_not_canceled(end: str, sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world)
    news(sql_db, sent, end, event_id="e")
    before = held(sql_db, world)
    error = refused(lambda: sql_db.execute("select cancel_payout(%s)", (sent["payout_id"],)))
    assert (error.sqlstate, held(sql_db, world)) == ("22Z26", before)


def test_a_canceled_payout_is_never_sent(sql_db: psycopg.Connection, world: World) -> None:
    mine = request(sql_db, world)["payout_id"]
    sql_db.execute("select cancel_payout(%s)", (mine,))
    assert refused(lambda: begin(sql_db, mine)).sqlstate == "22Z26"
    # The retry of its request does not wake it up either.
    assert request(sql_db, world)["replayed"] is True
    assert (status(sql_db, mine), one(sql_db, "select count(*) from payout_attempts")) == ("canceled", 0)


# -- holds ------------------------------------------------------------------------------------------------------------


def place(db: psycopg.Connection, world: World, payout_id: int | None = None, actor: str = "reviewer") -> int:
    with acting_as(db, actor, world):
        return int(one(db, "select place_payout_hold(%s, 'a second look', %s)", world.users["owner"], payout_id))


def test_a_hold_keeps_the_payout_until_an_admin_releases_it(sql_db: psycopg.Connection, world: World) -> None:
    mine = request(sql_db, world)["payout_id"]
    hold = place(sql_db, world)
    assert status(sql_db, mine) == "held"
    assert refused(lambda: begin(sql_db, mine)).sqlstate == "22Z25"
    for actor in ("owner", "stranger", "reviewer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            sql_db.execute("select release_payout_hold(%s, 'looked at')", (hold,))
    with acting_as(sql_db, "admin", world):
        assert one(sql_db, "select release_payout_hold(%s, 'looked at')", hold)["payout_ids"] == [mine]
    assert steps(sql_db, mine) == ["requested", "pending", "held", "pending"]


def test_a_request_under_a_hold_waits_with_its_reason_and_can_be_canceled(
    sql_db: psycopg.Connection, world: World
) -> None:
    place(sql_db, world)
    shown = eligibility(sql_db, world)
    assert (shown["will_be_held"], [r["sentence"] for r in shown["reasons"]][-1]) == (True, "a second look")
    answer = request(sql_db, world)
    assert (answer["status"], answer["reason"]) == ("held", "a second look")
    with acting_as(sql_db, "owner", world):
        sql_db.execute("select cancel_payout(%s)", (answer["payout_id"],))
    assert held(sql_db, world) == {"available": START, "pending": 0, "owed": 0}


def test_suspicion_holds_and_does_not_seize(sql_db: psycopg.Connection, world: World) -> None:
    sql_db.execute("update users set likely_bot = true where id = %s", (world.users["owner"],))
    mine = request(sql_db, world)["payout_id"]
    assert status(sql_db, mine) == "held"
    assert refused(lambda: sql_db.execute("select release_payout(%s)", (mine,))).sqlstate == "22Z25"
    sql_db.execute("update users set likely_bot = false where id = %s", (world.users["owner"],))
    with acting_as(sql_db, "admin", world):
        sql_db.execute("select release_payout(%s)", (mine,))
    assert status(sql_db, mine) == "pending"


def test_a_held_payout_is_not_pushed_by_hand(sql_db: psycopg.Connection, world: World) -> None:
    """Not with two holds of which one is released, not by an update of the tables' owner."""
    mine = request(sql_db, world)["payout_id"]
    first, second = place(sql_db, world), place(sql_db, world, mine)
    with acting_as(sql_db, "admin", world):
        assert one(sql_db, "select release_payout_hold(%s, 'looked at')", first)["payout_ids"] == []
    for push in (
        "update payouts set status = 'pending'",
        "update payouts set status = 'in_transit'",
        "update payouts set status = 'paid'",
    ):
        assert refused(lambda push=push: sql_db.execute(push)).sqlstate in ("22Z25", "22Z26")
    assert refused(lambda: sql_db.execute("select release_payout(%s)", (mine,))).sqlstate == "22Z25"
    assert status(sql_db, mine) == "held"
    with acting_as(sql_db, "admin", world):
        assert one(sql_db, "select release_payout_hold(%s, 'looked at')", second)["payout_ids"] == [mine]


def test_nobody_releases_a_hold_on_themselves(sql_db: psycopg.Connection, world: World) -> None:
    admin = world.users["admin"]
    sql_db.execute("update users set is_creator = true where id = %s", (admin,))
    hold = one(sql_db, "select place_payout_hold(%s, 'a second look')", admin)
    with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, "admin", world):
        sql_db.execute("select release_payout_hold(%s, 'it is fine')", (hold,))


# -- transfer ---------------------------------------------------------------------------------------------------------


def removes_method(db: psycopg.Connection, world: World) -> None:
    with acting_as(db, "owner", world):
        db.execute("select remove_payout_method(%s)", (method(db, world),))


def suspected(db: psycopg.Connection, world: World) -> None:
    db.execute("update users set likely_bot = true where id = %s", (world.users["owner"],))


CHANGES = {"the level fell": kyc(0), "the level can not be read": kyc(None), "something is owed": owes,
           "the method is gone": removes_method, "automation is suspected": suspected}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_everything_is_asked_again_at_the_transfer(change: str, sql_db: psycopg.Connection, world: World) -> None:
    mine = request(sql_db, world)["payout_id"]
    CHANGES[change](sql_db, world)
    answer = begin(sql_db, mine)
    assert (answer["status"], status(sql_db, mine)) == ("held", "held")
    assert answer["reason"] == one(sql_db, "select status_reason from payouts")
    assert one(sql_db, "select count(*) from payout_attempts") == 0


def test_a_method_swapped_mid_flight_gets_nothing(sql_db: psycopg.Connection, world: World) -> None:
    """Who takes an account over adds another method after the request: the money goes where it was asked to go."""
    chosen = method(sql_db, world)
    mine = request(sql_db, world)["payout_id"]
    swapped = method(sql_db, world, token="sim_thief")
    for statement in (
        f"update payouts set method_id = {swapped}",
        f"update payout_methods set token = 'sim_thief' where id = {chosen}",
        f"update payout_methods set user_id = {world.users['other']} where id = {chosen}",
    ):
        assert refused(lambda statement=statement: sql_db.execute(statement)).sqlstate == "22Z10"
    assert begin(sql_db, mine)["token"] == "sim_paid"
    with acting_as(sql_db, "owner", world):
        sql_db.execute("select remove_payout_method(%s)", (chosen,))
    assert begin(sql_db, mine)["token"] == "sim_paid"
    assert refused(lambda: sql_db.execute("update payout_attempts set token = 'sim_thief'")).sqlstate == "22Z10"


def test_a_transfer_that_is_taken_up_again_keeps_its_key(sql_db: psycopg.Connection, world: World) -> None:
    first = payout(sql_db, world)
    assert begin(sql_db, first["payout_id"]) == first | {"resumed": True}
    news(sql_db, first, "transfer.busy", event_id="e")
    second = begin(sql_db, first["payout_id"])
    assert (second["attempt"], second["provider_key"] == first["provider_key"]) == (2, False)
    # The first attempt did nothing, and says so again: the second one is not touched.
    assert news(sql_db, first, "transfer.failed", event_id="late") == "already"
    assert news(sql_db, second, "transfer.paid", event_id="paid") == "applied"
    assert status(sql_db, first["payout_id"]) == "paid"


def test_a_paid_payout_has_left(sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world, 4_000)
    assert news(sql_db, sent, "transfer.paid", event_id="e", reference="tr_1") == "applied"
    assert held(sql_db, world) == {"available": START - 4_000 - FEE, "pending": 0, "owed": 0}
    assert one(sql_db, "select balance_cents(null, 'payouts_paid', 'USD')") == 4_000
    assert one(sql_db, "select balance_cents(null, 'platform_fee', 'USD')") == FEE
    assert steps(sql_db, sent["payout_id"]) == ["requested", "pending", "in_transit", "paid"]


def test_a_failed_payout_is_available_at_once_fee_included(sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world, 4_000)
    news(sql_db, sent, "transfer.failed", event_id="e", reason="Account closed.")
    assert held(sql_db, world) == {"available": START, "pending": 0, "owed": 0}
    assert one(sql_db, "select status_reason from payouts") == "Account closed."


def test_a_payout_that_comes_back_is_available_at_once_without_the_fee(
    sql_db: psycopg.Connection, world: World
) -> None:
    sent = payout(sql_db, world, 4_000)
    news(sql_db, sent, "transfer.paid", event_id="e1")
    assert news(sql_db, sent, "transfer.returned", event_id="e2") == "applied"
    assert held(sql_db, world) == {"available": START - FEE, "pending": 0, "owed": 0}
    assert one(sql_db, "select balance_cents(null, 'payouts_paid', 'USD')") == 0
    assert news(sql_db, sent, "transfer.returned", event_id="e3") == "already"
    assert held(sql_db, world)["available"] == START - FEE
    assert request(sql_db, world, START - 2 * FEE, key="again at once")["status"] == "pending"


# -- what providers say -----------------------------------------------------------------------------------------------

ORDERS = {
    "as it happened": ["transfer.accepted", "transfer.paid", "transfer.returned"],
    "the return first": ["transfer.returned", "transfer.accepted", "transfer.paid"],
    "paid before accepted": ["transfer.paid", "transfer.accepted", "transfer.returned"],
    "backwards": ["transfer.returned", "transfer.paid", "transfer.accepted"],
}


@pytest.mark.parametrize("order", ORDERS)
def test_news_may_come_in_any_order_and_twice(order: str, sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world, 4_000)
    for twice in range(2):
        for kind in ORDERS[order]:
            news(sql_db, sent, kind, event_id=kind)  # the same message again
            news(sql_db, sent, kind, event_id=f"{kind} {twice}")  # the same news in another message
    assert status(sql_db, sent["payout_id"]) == "returned"
    assert held(sql_db, world) == {"available": START - FEE, "pending": 0, "owed": 0}
    assert one(sql_db, "select count(*) from payout_holds") == 0


def test_one_event_id_says_one_thing(sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world)
    news(sql_db, sent, "transfer.paid", event_id="e")
    assert refused(lambda: news(sql_db, sent, "transfer.failed", event_id="e")).sqlstate == "22Z32"
    assert status(sql_db, sent["payout_id"]) == "paid"


CONFLICTS = {
    "failed after paid": (["transfer.paid", "transfer.failed"], {}),
    "paid after failed": (["transfer.failed", "transfer.paid"], {}),
    "paid after busy": (["transfer.busy", "transfer.paid"], {}),
    "another amount": (["transfer.paid"], {"amount_cents": 1}),
    "another currency": (["transfer.paid"], {"currency": "EUR"}),
}


@pytest.mark.parametrize("case", CONFLICTS)
def test_news_that_contradict_move_nothing_and_hold(case: str, sql_db: psycopg.Connection, world: World) -> None:
    kinds, more = CONFLICTS[case]
    sent = payout(sql_db, world)
    for number, kind in enumerate(kinds[:-1]):
        news(sql_db, sent, kind, event_id=str(number))
    before = held(sql_db, world), status(sql_db, sent["payout_id"])
    assert news(sql_db, sent, kinds[-1], event_id="last", **more) == "conflict"
    assert (held(sql_db, world), status(sql_db, sent["payout_id"])) == before
    assert "two accounts" in eligibility(sql_db, world)["reasons"][-1]["sentence"]


def test_news_of_a_transfer_that_we_do_not_know_are_kept_and_move_nothing(
    sql_db: psycopg.Connection, world: World
) -> None:
    sent = payout(sql_db, world)
    assert news(sql_db, sent | {"provider_key": "po_unknown"}, "transfer.paid", event_id="e") == "unmatched"
    assert status(sql_db, sent["payout_id"]) == "in_transit"


def test_one_reference_of_the_provider_is_one_transfer(sql_db: psycopg.Connection, world: World) -> None:
    mine, theirs = payout(sql_db, world), payout(sql_db, world, name="other")
    news(sql_db, mine, "transfer.paid", event_id="a", reference="tr_1")
    error = refused(lambda: news(sql_db, theirs, "transfer.paid", event_id="b", reference="tr_1"))
    assert (error.sqlstate, status(sql_db, theirs["payout_id"])) == ("22Z12", "in_transit")


@pytest.mark.parametrize(
    "change", [{"kind": "nope"}, {"event_at": "infinity"}, {"event_at": "soon"}, {"event_at": None}, {"kind": None}]
)
def test_a_message_that_can_not_be_kept_is_refused(
    change: dict[str, Any], sql_db: psycopg.Connection, world: World
) -> None:
    sent = payout(sql_db, world)
    event = {"kind": "transfer.paid", "event_at": "2026-02-01", "provider_key": sent["provider_key"],
             "amount_cents": 1_000, "currency": "USD"} | change  # fmt: skip
    call = "select record_provider_event('simulator', 'e', %s)"
    assert refused(lambda: sql_db.execute(call, (Jsonb(event),))).sqlstate == "22Z12"
    assert one(sql_db, "select count(*) from provider_events") == 0


def test_only_jobs_send_and_hear(sql_db: psycopg.Connection, world: World) -> None:
    mine = request(sql_db, world)["payout_id"]
    for actor in ("anon", "owner", "reviewer", "admin"):
        for call in (f"select begin_payout_transfer({mine})", "select record_provider_event('simulator', 'e', '{}')",
                     "select release_due_reserves()"):  # fmt: skip
            with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
                sql_db.execute(call)
    assert status(sql_db, mine) == "pending"


# -- clawbacks --------------------------------------------------------------------------------------------------------


def claw(db: psycopg.Connection, world: World, cents: int, reference: str = "case 1", name: str = "owner") -> Any:
    with acting_as(db, "admin", world):
        return one(db, "select claw_back(%s, 'fraud', %s, %s, 'Confirmed by two people.')", world.users[name],
                   reference, cents)  # fmt: skip


@pytest.mark.parametrize(("cents", "available", "owed"), [(4_000, 6_000, 0), (START, 0, 0), (15_000, 0, -5_000)])
def test_what_is_taken_back_comes_from_what_is_available_and_then_from_the_receivable(
    cents: int, available: int, owed: int, sql_db: psycopg.Connection, world: World
) -> None:
    for replayed in (False, True):
        assert claw(sql_db, world, cents)["replayed"] is replayed
        assert held(sql_db, world) == {"available": available, "pending": 0, "owed": owed}
    assert refused(lambda: claw(sql_db, world, cents + 1)).sqlstate == "22Z31"
    assert refused(lambda: claw(sql_db, world, cents, name="other")).sqlstate == "22Z31"


def test_only_an_admin_takes_back(sql_db: psycopg.Connection, world: World) -> None:
    for actor in ("anon", "stranger", "owner", "other", "reviewer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), acting_as(sql_db, actor, world):
            sql_db.execute("select claw_back(%s, 'fraud', 'x', 1, 'because')", (world.users["owner"],))
    assert held(sql_db, world)["available"] == START


BAD_CLAWBACKS = [("nope", "x", 1, "because"), ("fraud", "", 1, "because"), ("fraud", "x", 0, "because"),
                 ("fraud", "x", None, "because"), ("fraud", "x", 1, ""), ("fraud", None, 1, "because")]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_CLAWBACKS)
def test_a_clawback_that_can_not_be_kept_is_refused(
    bad: tuple[Any, ...], sql_db: psycopg.Connection, world: World
) -> None:
    call = "select claw_back(%s, %s, %s, %s, %s)"
    assert refused(lambda: sql_db.execute(call, (world.users["owner"], *bad))).sqlstate == "22Z12"


def test_two_webhooks_make_one_dispute(sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world)
    news(sql_db, sent, "transfer.paid", event_id="paid")
    said = [news(sql_db, sent, "dispute.opened", event_id=f"e{n}", dispute="dp_1", amount_cents=700) for n in range(3)]
    assert said == ["applied", "already", "already"]
    assert held(sql_db, world)["available"] == START - 1_000 - FEE - 700
    assert news(sql_db, sent, "dispute.opened", event_id="other", dispute="dp_1", amount_cents=701) == "conflict"
    assert one(sql_db, "select count(*) from clawbacks") == 1


CREDITS: dict[str, Callable[[psycopg.Connection, dict[str, Any]], object]] = {
    "a failed payout": lambda db, sent: news(db, sent, "transfer.failed", event_id="e"),
    "a payout that came back": lambda db, sent: news(db, sent, "transfer.returned", event_id="e"),
}


@pytest.mark.parametrize("credit", CREDITS)
def test_what_comes_back_fills_a_debt_first(credit: str, sql_db: psycopg.Connection, world: World) -> None:
    sent = payout(sql_db, world, START - FEE)
    claw(sql_db, world, 2_500)
    assert held(sql_db, world) == {"available": 0, "pending": START, "owed": -2_500}
    CREDITS[credit](sql_db, sent)
    back = START if credit == "a failed payout" else START - FEE
    assert held(sql_db, world) == {"available": back - 2_500, "pending": 0, "owed": 0}


def test_every_act_of_staff_is_written_down_with_its_figures(sql_db: psycopg.Connection, world: World) -> None:
    mine = request(sql_db, world)["payout_id"]
    hold = place(sql_db, world)
    with acting_as(sql_db, "admin", world):
        for _ in range(2):  # the second time nothing happens, and nothing is written
            sql_db.execute("select release_payout_hold(%s, 'looked at')", (hold,))
        sql_db.execute("select cancel_payout(%s, 'asked by mail')", (mine,))
    claw(sql_db, world, 4_000)
    with acting_as(sql_db, "owner", world):
        sql_db.execute("select cancel_payout(%s)", (mine,))  # canceled before, and no act of staff
    rows = sql_db.execute(
        "select action, actor_id, coalesce(figures ->> 'to_status', '') from audit_log "
        "where action ~ '^(payout|clawback)' order by id"
    ).fetchall()
    reviewer, admin = world.logins["reviewer"], world.logins["admin"]
    assert sorted(rows) == sorted([
        ("payout_hold.placed", reviewer, ""), ("payout.moved", reviewer, "held"),
        ("payout_hold.released", admin, ""), ("payout.moved", admin, "pending"), ("payout.moved", admin, "canceled"),
        ("clawback.made", admin, ""),
    ])  # fmt: skip


# -- together -------------------------------------------------------------------------------------------------------


def at_once(url: str, jobs: list[Callable[[psycopg.Connection], object]]) -> list[object]:
    """Every job in a connection of its own, started together: its answer or the SQLSTATE, in the order of the jobs."""
    together = threading.Barrier(len(jobs))
    outcomes: list[object] = [None] * len(jobs)

    def run(place: int) -> None:
        with psycopg.connect(url, autocommit=True) as db:
            together.wait()
            try:
                outcomes[place] = jobs[place](db)
            except psycopg.Error as error:
                outcomes[place] = error.sqlstate

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.parametrize("round_", range(6))
def test_cancel_races_transfer_and_one_of_them_wins(
    round_: int, sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    mine = request(sql_db, world)["payout_id"]
    jobs: list[Callable[[psycopg.Connection], object]] = [
        lambda db: one(db, "select cancel_payout(%s)", mine)["status"],
        lambda db: begin(db, mine)["status"],
    ]
    outcomes = at_once(sql_db_url, jobs if round_ % 2 else jobs[::-1])
    end = status(sql_db, mine)
    assert sorted(map(str, outcomes)) == ["22Z26", end]
    assert one(sql_db, "select count(*) from payout_attempts") == (end == "in_transit")


def test_one_key_from_many_threads_asks_once(sql_db: psycopg.Connection, sql_db_url: str, world: World) -> None:
    usual = method(sql_db, world)
    outcomes = at_once(sql_db_url, [lambda db: request(db, world, method_id=usual)["payout_id"]] * 8)
    assert len(set(outcomes)) == 1
    assert held(sql_db, world)["pending"] == 1_000 + FEE


def test_news_and_cancel_and_clawback_together_keep_the_books(
    sql_db: psycopg.Connection, sql_db_url: str, world: World
) -> None:
    sent = payout(sql_db, world, 4_000)
    jobs: list[Callable[[psycopg.Connection], object]] = [
        lambda db: news(db, sent, "transfer.paid", event_id="a"),
        lambda db: news(db, sent, "transfer.paid", event_id="b"),
        lambda db: news(db, sent, "transfer.returned", event_id="c"),
        lambda db: news(db, sent, "dispute.opened", event_id="d", dispute="d", amount_cents=9_000),
        lambda db: news(db, sent, "dispute.opened", event_id="e", dispute="d", amount_cents=9_000),
        lambda db: request(db, world, 500, key="another"),
    ]
    outcomes = at_once(sql_db_url, jobs)
    assert "40P01" not in outcomes
    assert status(sql_db, sent["payout_id"]) == "returned"
