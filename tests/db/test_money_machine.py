"""A machine that does with money whatever can be done, in any order, beside a ledger in a few lines of Python.

After each step every invariant holds and the balances are those of the model. Time moves by moving what was written
into the past. Short in `./run test`; 200 runs of 50 steps with FAIRSHARE_NIGHTLY=1.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from revenue_split import ledger_checks
from tests.conftest import TEMPLATE, RunningStack
from tests.db.nightly import NIGHTLY, scaled
from tests.db.world import World, acting_as, begin, call_close, closing, method, news, one, people, with_kept_policy

FEE = 25
MINIMUM = 500
LIMITS = {0: 0, 1: 9_999, 2: 49_999, 3: 10**9}
NAMES = ("owner", "other")
CENTS = st.one_of(st.integers(1, 3_000), st.integers(3_000, 60_000))


@dataclass
class Payout:
    payout_id: int
    name: str
    cents: int
    key: str
    status: str
    answer: dict[str, Any]
    transfer: dict[str, Any] | None = None


@dataclass
class Account:
    """What the model thinks a creator has."""

    available: int = 0
    reserve: int = 0
    carried: int = 0
    pending: int = 0
    owed: int = 0
    kyc: int | None = 3
    hold: int | None = None
    reserves: list[tuple[int, int]] = field(default_factory=list)  # (cents, days until it is due)

    def credit(self, cents: int) -> None:
        """What is owed is filled first."""
        first = min(cents, self.owed)
        self.owed -= first
        self.available += cents - first


class Money(RuleBasedStateMachine):
    """The rules; the class is bound to a running stack by the test below."""

    stack: RunningStack
    #: What happened over all runs, so that a machine that does nothing is not taken for books in order.
    did: Counter[str]

    @initialize()
    def begin_with_two_creators(self) -> None:
        self.name = f"m_{uuid.uuid4().hex[:12]}"
        self.stack.stack.postgres.create_database(self.name, template=TEMPLATE)
        self.db = psycopg.connect(self.stack.stack.postgres.url(self.name), autocommit=True)
        self.world: World = people(self.db)
        self.methods = {name: method(self.db, self.world, name) for name in NAMES}
        self.accounts = {name: Account() for name in NAMES}
        self.payouts: list[Payout] = []
        self.closes: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.told: list[tuple[Payout, str, str, dict[str, Any]]] = []
        self.taken: dict[str, tuple[str, int]] = {}
        self.given_back: set[str] = set()
        self.number = 0
        for name in NAMES:
            self.close(name, 60_000, 1)

    def teardown(self) -> None:
        if hasattr(self, "db"):
            self.db.close()
            self.stack.stack.postgres.drop_database(self.name)

    def key(self, word: str) -> str:
        self.number += 1
        return f"{word} {self.number}"

    def open_payout(self, name: str) -> Payout | None:
        return next((p for p in self.payouts if p.name == name and p.status in ("pending", "held", "in_transit")), None)

    # -- windows and time ---------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.closes) < 28)
    @rule(name=st.sampled_from(NAMES), cents=CENTS, hold_days=st.integers(0, 3))
    def close(self, name: str, cents: int, hold_days: int) -> None:
        account = self.accounts[name]
        day = len(self.closes) + 1
        # The version of the policy is part of the figures: a retry has to say the same.
        figures = dict(with_kept_policy(self.db, closing(
            self.world, {name: cents}, start=f"2026-01-{day:02}", end=f"2026-01-{day + 1:02}",
            carried_before={name: account.carried}, policy={"hold_days": hold_days},
        )))  # fmt: skip
        cap = {0: 0, 1: 5_000, 2: 50_000, 3: None, None: 0}[account.kyc]
        key = self.key("close")
        if cap is not None and cents > cap:
            assert self.refused(lambda: call_close(self.db, key, figures)) == "22Z08"
            self.closes.append((key, {}, {}))  # the day is used up, so that days stay apart
            return
        answer = call_close(self.db, key, figures)
        self.did["closes"] += 1
        self.closes.append((key, figures, answer))
        tenth = cents // 10
        rest = cents - 2 * tenth
        if tenth:
            account.reserve += tenth
            account.reserves.append((tenth, hold_days))
        if rest + account.carried >= 1_000:
            account.credit(rest + account.carried)
            account.carried = 0
        else:
            first = min(rest, account.owed)
            account.owed -= first
            account.carried += rest - first

    @precondition(lambda self: any(figures for _, figures, _ in self.closes))
    @rule(data=st.data())
    def close_again(self, data: st.DataObject) -> None:
        key, figures, answer = data.draw(st.sampled_from([done for done in self.closes if done[1]]))
        assert call_close(self.db, key, figures) == answer | {"replayed": True}

    @rule(days=st.integers(1, 3))
    def time_passes(self, days: int) -> None:
        """The database's clock can not be moved, so that everything written is moved into the past instead."""
        with self.db.transaction():
            self.db.execute("set local session_replication_role = replica")
            self.db.execute("update reserves set available_at = available_at - %s * interval '24 hours', "
                            "released_at = released_at - %s * interval '24 hours'", (days, days))  # fmt: skip
        for account in self.accounts.values():
            account.reserves = [(cents, left - days) for cents, left in account.reserves]

    @rule()
    def mature(self) -> None:
        due = 0
        for account in self.accounts.values():
            for cents, _ in [r for r in account.reserves if r[1] <= 0]:
                due += 1
                account.reserve -= cents
                account.credit(cents)
            account.reserves = [r for r in account.reserves if r[1] > 0]
        assert one(self.db, "select release_due_reserves()")["released"] == due

    # -- payouts ------------------------------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), part=st.integers(1, 4))
    def request_a_part(self, name: str, part: int) -> None:
        """All that there is, or a half, a third, a quarter."""
        self.request_cents(name, max(1, (self.accounts[name].available - FEE) // part))

    @rule(name=st.sampled_from(NAMES), part=st.integers(1, 4))
    def request_and_send(self, name: str, part: int) -> None:
        """Two steps at once, so that many payouts get as far as a provider."""
        if self.open_payout(name) is None:
            self.request_a_part(name, part)
        payout = self.open_payout(name)
        if payout is not None and payout.status == "pending":
            self.send_one(payout)

    @rule(name=st.sampled_from(NAMES), cents=st.integers(400, 60_000))
    def request_any(self, name: str, cents: int) -> None:
        self.request_cents(name, cents)

    def request_cents(self, name: str, cents: int) -> None:
        account = self.accounts[name]
        expected = self.verdict(name, cents)
        key = self.key("payout")
        if expected is not None:
            assert self.refused(lambda: self.ask(name, cents, key)) == expected
            return
        answer = self.ask(name, cents, key)
        assert answer["status"] == ("pending" if account.hold is None else "held")
        account.available -= cents + FEE
        account.pending += cents + FEE
        self.did["payouts"] += 1
        self.payouts.append(Payout(answer["payout_id"], name, cents, key, answer["status"], answer))

    def verdict(self, name: str, cents: int) -> str | None:
        """The SQLSTATE that the rules, told once more in Python, would give."""
        account = self.accounts[name]
        if account.kyc is None:
            return "22Z23"
        if account.kyc == 0 or cents > LIMITS[account.kyc]:
            return "22Z22"
        if cents < MINIMUM:
            return "22Z20"
        if cents + FEE > account.available:
            return "22Z21"
        if account.owed:
            return "22Z29"
        return "22Z24" if self.open_payout(name) else None

    def ask(self, name: str, cents: int, key: str) -> dict[str, Any]:
        with acting_as(self.db, name, self.world):
            answer: dict[str, Any] = one(
                self.db, "select request_payout(%s, %s, %s)", cents, self.methods[name], key
            )  # fmt: skip
        return answer

    @precondition(lambda self: self.payouts)
    @rule(data=st.data())
    def ask_again(self, data: st.DataObject) -> None:
        payout = data.draw(st.sampled_from(self.payouts))
        assert self.ask(payout.name, payout.cents, payout.key) == payout.answer | {"replayed": True}
        assert self.refused(lambda: self.ask(payout.name, payout.cents + 1, payout.key)) == "22Z01"

    @precondition(lambda self: self.payouts)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        payout = data.draw(st.sampled_from(self.payouts))
        call = "select cancel_payout(%s)"
        if payout.status in ("in_transit", "paid", "failed", "returned"):
            assert self.refused(lambda: self.db.execute(call, (payout.payout_id,))) == "22Z26"
            return
        replayed = payout.status == "canceled"
        assert one(self.db, call, payout.payout_id)["replayed"] is replayed
        if not replayed:
            self.give_back(payout, "canceled")

    def give_back(self, payout: Payout, status: str) -> None:
        account = self.accounts[payout.name]
        payout.status = status
        account.pending -= payout.cents + FEE
        account.credit(payout.cents + FEE)

    @precondition(lambda self: self.payouts)
    @rule(data=st.data())
    def send(self, data: st.DataObject) -> None:
        payout = data.draw(st.sampled_from([p for p in self.payouts if p.status == "pending"] or self.payouts))
        self.send_one(payout)

    def send_one(self, payout: Payout) -> None:
        account = self.accounts[payout.name]
        if payout.status not in ("pending", "in_transit"):
            expected = "22Z25" if payout.status == "held" else "22Z26"
            assert self.refused(lambda: begin(self.db, payout.payout_id)) == expected
            return
        answer = begin(self.db, payout.payout_id)
        if payout.status == "pending" and (
            account.kyc is None or payout.cents > LIMITS[account.kyc] or account.owed or account.hold
        ):
            assert answer["status"] == "held"
            payout.status = "held"
            return
        assert answer["status"] == "in_transit"
        payout.status, payout.transfer = "in_transit", answer

    @precondition(lambda self: any(p.transfer for p in self.payouts))
    @rule(data=st.data(), kind=st.sampled_from(["accepted", "paid", "failed", "returned"]))
    def hear(self, data: st.DataObject, kind: str) -> None:
        """Settle, fail and return, in any order; what contradicts moves nothing and holds the creator."""
        sent = [p for p in self.payouts if p.transfer]
        moving = [p for p in sent if p.status in ("in_transit", "paid")]
        payout = data.draw(st.sampled_from(sent if data.draw(st.booleans()) else moving or sent))
        event_id = self.key("event")
        outcome = self.tell(payout, kind, event_id)
        self.told.append((payout, kind, event_id, {"outcome": outcome}))
        self.did["news"] += 1
        account = self.accounts[payout.name]
        note(f"{kind} while {payout.status}: {outcome}")
        if payout.status == "in_transit":
            if kind == "failed":
                self.give_back(payout, "failed")
            elif kind in ("paid", "returned"):
                account.pending -= payout.cents + FEE
                payout.status = "paid"
        elif (payout.status, kind) in {("failed", "paid"), ("paid", "failed"), ("returned", "failed")}:
            assert outcome == "conflict"
            self.now_held(payout.name, one(self.db, "select max(id) from payout_holds"))
        if kind == "returned" and payout.status == "paid":
            payout.status = "returned"
            account.credit(payout.cents)

    def tell(self, payout: Payout, kind: str, event_id: str) -> str:
        assert payout.transfer is not None
        return news(self.db, payout.transfer, f"transfer.{kind}", event_id=event_id)

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def hear_again(self, data: st.DataObject) -> None:
        payout, kind, event_id, answer = data.draw(st.sampled_from(self.told))
        assert self.tell(payout, kind, event_id) == answer["outcome"]

    # -- what is taken back, and holds --------------------------------------------------------------------------------

    @rule(name=st.sampled_from(NAMES), cents=st.one_of(st.integers(1, 500), st.integers(1, 500), CENTS))
    def chargeback(self, name: str, cents: int) -> None:
        reference = self.key("dispute")
        self.claw(name, cents, reference)
        self.taken[reference] = (name, cents)
        self.did["chargebacks"] += 1
        account = self.accounts[name]
        from_available = min(cents, account.available)
        account.available -= from_available
        account.owed += cents - from_available

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def chargeback_again(self, data: st.DataObject) -> None:
        reference = data.draw(st.sampled_from(sorted(self.taken)))
        name, cents = self.taken[reference]
        assert self.claw(name, cents, reference)["replayed"] is True
        assert self.refused(lambda: self.claw(name, cents + 1, reference)) == "22Z31"

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def chargeback_was_wrong(self, data: st.DataObject) -> None:
        """Given back once, it is a credit like any other: what is owed is filled first."""
        reference = data.draw(st.sampled_from(sorted(self.taken)))
        name, cents = self.taken[reference]
        number = one(self.db, "select id from clawbacks where reference = %s", reference)
        call = "select reverse_clawback(%s, %s, 'The dispute was won.')"
        if reference in self.given_back:
            assert self.refused(lambda: self.db.execute(call, (self.key("back"), number))) == "22ZG1"
            return
        answer = one(self.db, call, self.key("back"), number)
        assert answer["available_cents"] + answer["owed_cents"] == cents
        self.given_back.add(reference)
        self.did["given back"] += 1
        self.accounts[name].credit(cents)

    def claw(self, name: str, cents: int, reference: str) -> dict[str, Any]:
        call = "select claw_back(%s, 'chargeback', %s, %s, 'A payment was disputed.')"
        answer: dict[str, Any] = one(self.db, call, self.world.users[name], reference, cents)
        return answer

    @rule(name=st.sampled_from(NAMES), level=st.sampled_from([3, 3, 3, 3, 2, 1, 0, None]))
    def level_changes(self, name: str, level: int | None) -> None:
        self.db.execute("update users set kyc_level = %s where id = %s", (level, self.world.users[name]))
        self.accounts[name].kyc = level

    @rule(name=st.sampled_from(NAMES))
    def hold(self, name: str) -> None:
        if self.accounts[name].hold is None:
            call = "select place_payout_hold(%s, 'a second look')"
            self.now_held(name, one(self.db, call, self.world.users[name]))

    def now_held(self, name: str, hold_id: int) -> None:
        self.accounts[name].hold = hold_id
        payout = self.open_payout(name)
        if payout is not None and payout.status == "pending":
            payout.status = "held"

    @rule(name=st.sampled_from(NAMES))
    def release_holds(self, name: str) -> None:
        """All of them: several conflicts may have placed several."""
        holds = self.db.execute(
            "select id from payout_holds where creator_id = %s and released_at is null order by id",
            (self.world.users[name],),
        ).fetchall()
        account = self.accounts[name]
        payout = self.open_payout(name)
        freed: list[int] = []
        for (hold_id,) in holds:
            freed += one(self.db, "select release_payout_hold(%s, 'it is fine')", hold_id)["payout_ids"]
        goes_on = (
            bool(holds) and payout is not None and payout.status == "held" and account.kyc is not None
            and payout.cents <= LIMITS[account.kyc] and not account.owed
        )  # fmt: skip
        assert freed == ([payout.payout_id] if goes_on and payout else [])
        if goes_on and payout:
            payout.status = "pending"
        account.hold = None

    # -- what holds after every step ----------------------------------------------------------------------------------

    def refused(self, call: Any) -> str | None:
        with pytest.raises(psycopg.Error) as caught:
            call()
        return caught.value.sqlstate

    @invariant()
    def the_books_are_in_order(self) -> None:
        if hasattr(self, "db"):
            assert [(f.invariant.code, f.rows) for f in ledger_checks.check(self.db) if f.rows] == []
            self.did["steps"] += 1

    @invariant()
    def balances_are_those_of_the_model(self) -> None:
        if not hasattr(self, "db"):
            return
        for name, account in self.accounts.items():
            row = self.db.execute(
                "select available_cents, reserve_cents, carried_cents, payout_pending_cents, receivable_cents "
                "from creator_balances where user_id = %s",
                (self.world.users[name],),
            ).fetchone()
            model = (account.available, account.reserve, account.carried, account.pending, -account.owed)
            assert (row or (0, 0, 0, 0, 0)) == model, name
        found = dict(self.db.execute("select id, status from payouts").fetchall())
        assert found == {p.payout_id: p.status for p in self.payouts}


RULES = settings(
    max_examples=scaled(12, 200), stateful_step_count=scaled(30, 50), deadline=None,
    suppress_health_check=list(HealthCheck), derandomize=not NIGHTLY, print_blob=NIGHTLY,
)  # fmt: skip


@pytest.mark.timeout(3_600 if NIGHTLY else 300)
def test_whatever_is_done_in_whatever_order_the_books_are_in_order(stack: RunningStack) -> None:
    class Here(Money):
        pass

    Here.stack, Here.did = stack, Counter()
    run_state_machine_as_test(Here, settings=RULES)
    print(dict(Here.did))
    assert Here.did["steps"] >= scaled(150, 5_000)
    assert set(Here.did) >= {"closes", "payouts", "news", "chargebacks", "given back"}
