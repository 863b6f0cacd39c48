"""The parts of the payout pages. Rules and reasons are the database's (`payout_eligibility`); here they are shown.

The idempotency key is made when the request form is drawn and kept until an answer came: however often the button is
pressed, and whatever reply gets lost, there is one payout.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

from core.errors import FairshareError
from frontend.auth.visitor import Visitor
from frontend.payout_readers import AdminPayout, Hold, Method, PayoutRow
from frontend.readers import Reserve
from revenue_split import payouts
from revenue_split.payouts import Eligibility
from revenue_split.simulator import TOKENS
from ui import cards
from ui.cards import Standing
from ui.formats import Formats, NotMoney, cents_from

_KEY = "_payout_key"
_SAID = "_payout_said"
#: What a step means for the creator, and its colour.
STATES = {
    "requested": ("requested", "gray"),
    "pending": ("waits to be sent", "orange"),
    "held": ("on hold", "orange"),
    "in_transit": ("on its way", "blue"),
    "paid": ("paid", "green"),
    "returned": ("came back", "red"),
    "failed": ("failed", "red"),
    "canceled": ("canceled", "gray"),
}
_CANCELABLE = ("pending", "held")


@dataclass(frozen=True, slots=True)
class Draft:
    """A request that waits for its confirmation."""

    amount_cents: int
    method_id: int


def said() -> None:
    """What the last press did, once."""
    message = st.session_state.pop(_SAID, None)
    if message:
        st.success(message, icon=":material/check:")


def simulator_notice(methods: Sequence[Method]) -> None:
    """That no money moves, where none does."""
    if not methods or any(method.is_simulator for method in methods):
        st.info(
            "Payouts go to a **simulator**: everything is booked as it would be, and no money moves.",
            icon=":material/science:",
        )


def balance(found: Eligibility, reserves: Sequence[Reserve], *, fmt: Formats, now: datetime) -> None:
    """The parts of the balance with their dates."""
    as_of = fmt.moment(now)
    due = reserves[0] if reserves else None
    note = f"next {fmt.money(due.amount_cents, found.currency)} on {fmt.day(due.available_at)}" if due else None
    parts = (
        ("Available", found.available_cents, None, "Can be paid out now."),
        ("On its way", found.pending_cents, None, "Set aside for the payout that is open, its fee included."),
        ("In reserve", found.reserve_cents, note, "Held for some days after each window, then available."),
        ("Carried forward", found.carried_cents, None, "Shares below the minimum wait here for the next window."),
    )
    for column, (label, cents, more, help_text) in zip(st.columns(4), parts, strict=True):
        with column:
            cards.stat(
                label, fmt.money(cents, found.currency), standing=Standing.FINAL, as_of=as_of, note=more, help=help_text
            )
    if found.owed_cents:
        owed = fmt.money(found.owed_cents, found.currency)
        st.warning(f"**{owed}** are owed to the platform and are taken from your next window first.")


def reasons(found: Eligibility) -> None:
    """Every reason against a payout, in the words that a refusal would use."""
    if not found.reasons:
        st.markdown(":green[:material/check_circle:] Nothing stands against a payout.")
    for reason in found.reasons:
        mark = ":orange[:material/pause_circle:] Would wait:" if reason.holds else ":red[:material/block:]"
        st.markdown(f"{mark} {_plain(reason.sentence)}")


def methods_panel(me: Visitor, methods: Sequence[Method]) -> None:
    """Where money goes: the methods, and a form for another one."""
    cards.section("Where your money goes")
    for method in methods:
        left, right = st.columns([4, 1], vertical_alignment="center")
        left.markdown(f":material/account_balance: **{_plain(method.label)}** · {method.provider}")
        if right.button("Remove", key=f"method_remove_{method.method_id}"):
            _act(lambda number=method.method_id: payouts.remove_method(me.client, number), "The method is removed.")
    with st.expander("Add a payout method", expanded=not methods, icon=":material/add:"), st.form("payout_method"):
        label = st.text_input("Its name for you", max_chars=60, key="method_label", placeholder="My account")
        token = st.selectbox(
            "Simulated account", list(TOKENS), format_func=lambda name: f"{name}: {TOKENS[name]}", key="method_token"
        )
        if st.form_submit_button("Add", key="method_add"):
            _act(
                lambda: payouts.add_method(me.client, provider="simulator", token=token, label=label.strip()),
                "The method is added.",
            )


def request_panel(me: Visitor, found: Eligibility, methods: Sequence[Method], *, fmt: Formats) -> None:
    """Asks for an amount, shows what it costs and when it may arrive, and requests it once it is confirmed."""
    cards.section("Request a payout", "Amount and fee are set aside at once. You can cancel until it is sent.")
    reasons(found)
    if not found.may_request or not methods:
        return
    st.session_state.setdefault(_KEY, f"portal-{secrets.token_urlsafe(18)}")
    by_id = {method.method_id: method for method in methods}
    left, right = st.columns(2)
    text = left.text_input(
        f"Amount ({found.currency})", value=fmt.decimal(found.most_cents / 100, 2), key="payout_amount",
        help=f"From {fmt.money(found.minimum_cents, found.currency)} "
             f"to {fmt.money(found.most_cents, found.currency)}.",
    )  # fmt: skip
    method_id = right.selectbox(
        "To", list(by_id), format_func=lambda number: by_id[number].label, key="payout_method_id"
    )
    try:
        cents = cents_from(text, locale=fmt.locale)
    except NotMoney:
        st.error(f"Enter an amount such as {fmt.decimal(1234.5, 2)}.")
        return
    asked = payouts.eligibility(me.client, amount_cents=cents, method_id=method_id)
    if not asked.may_request:
        reasons(asked)
        return
    with st.container(border=True):
        fee = asked.fee_cents or 0
        st.markdown(
            f"**{fmt.money(cents, asked.currency)}** arrive, the fee is {fmt.money(fee, asked.currency)}: "
            f"**{fmt.money(cents + fee, asked.currency)}** of {fmt.money(asked.available_cents, asked.currency)} "
            "are set aside."
        )
        st.caption(
            "It waits until a person has looked at the reasons above."
            if asked.will_be_held
            else "It leaves with the next sending. Until then you can cancel it."
        )
        sure = st.checkbox("Amount and account are right", key=f"payout_sure_{st.session_state[_KEY]}_{cents}")
        pressed = st.button("Request the payout", type="primary", disabled=not sure, key="payout_request")
    if pressed:
        _request(me, Draft(cents, method_id), fmt)


def _request(me: Visitor, draft: Draft, fmt: Formats) -> None:
    try:
        answer = payouts.request(
            me.client, amount_cents=draft.amount_cents, method_id=draft.method_id,
            idempotency_key=st.session_state[_KEY],
        )  # fmt: skip
    except FairshareError as refused:
        st.error(_plain(refused.sentence))  # the key is kept: pressed again, it is the same request
        return
    st.session_state.pop(_KEY, None)
    st.session_state.pop("payout_amount", None)
    state = STATES[answer["status"]][0]
    st.session_state[_SAID] = (
        f"Payout {answer['payout_id']} of {fmt.money(answer['amount_cents'], answer['currency'])}: {state}."
    )
    st.rerun()


def payout_list(me: Visitor, rows: Sequence[PayoutRow], *, fmt: Formats) -> None:
    """Every payout with its state, its reason and its steps; an open one can be canceled."""
    cards.section("Your payouts")
    if not rows:
        cards.empty("No payout yet", "Your first request is listed here, with every step that it takes.", icon="send")
    for row in rows:
        with st.container(border=True):
            left, right = st.columns([4, 1], vertical_alignment="center")
            left.markdown(
                f"{state_badge(row.status)} **{fmt.money(row.amount_cents, row.currency)}** "
                f"· fee {fmt.money(row.fee_cents, row.currency)} · to {_plain(row.method)}"
            )
            left.caption(f"No. {row.payout_id} · requested {fmt.moment(row.created_at)}")
            if row.reason:
                left.markdown(f":gray[{_plain(row.reason)}]")
            if row.status in _CANCELABLE and right.button("Cancel", key=f"payout_cancel_{row.payout_id}"):
                _act(
                    lambda number=row.payout_id: payouts.cancel(me.client, number),
                    "The payout is canceled; amount and fee are available again.",
                )
            with st.expander("Steps", icon=":material/timeline:"):
                for step in row.steps:
                    why = f" · {_plain(step.reason)}" if step.reason else ""
                    st.markdown(f":small[{fmt.moment(step.at)} · {STATES[step.status][0]}{why}]")


def state_badge(status: str) -> str:
    """The state as a mark."""
    word, colour = STATES[status]
    return f":{colour}-badge[{word}]"


def admin_list(me: Visitor, rows: Sequence[AdminPayout], holds: Sequence[Hold], *, fmt: Formats) -> None:
    """Every payout, with hold and release."""
    cards.section("Payouts")
    if not rows:
        cards.empty("No payout yet", "What creators request is listed here.", icon="send")
        return
    states = st.pills(
        "State",
        list(STATES)[1:],
        selection_mode="multi",
        format_func=lambda name: STATES[name][0],
        key="payouts_states",
    )
    shown = [row for row in rows if not states or row.status in states]
    st.dataframe(
        {
            "no.": [row.payout_id for row in shown],
            "creator": [row.creator_id for row in shown],
            "amount": [fmt.money(row.amount_cents, row.currency) for row in shown],
            "fee": [fmt.money(row.fee_cents, row.currency) for row in shown],
            "state": [STATES[row.status][0] for row in shown],
            "reason": [row.reason or "" for row in shown],
            "requested": [fmt.moment(row.created_at) for row in shown],
        },
        hide_index=True,
        key="payouts_table",
    )
    cards.section("Hold and release", "The creator reads the reason. Releasing asks everything again.")
    _hold_form(me, rows)
    for hold in holds:
        with st.container(border=True):
            what = f"payout {hold.payout_id}" if hold.payout_id else "all payouts"
            st.markdown(f":orange-badge[on hold] creator {hold.creator_id}, {what}: {_plain(hold.reason)}")
            st.caption(f"since {fmt.moment(hold.created_at)}")
            left, right = st.columns([4, 1], vertical_alignment="bottom")
            why = left.text_input("Why it is released", max_chars=300, key=f"hold_why_{hold.hold_id}")
            if right.button("Release", key=f"hold_release_{hold.hold_id}", disabled=len(why.strip()) < 3):
                _act(
                    lambda number=hold.hold_id, text=why: payouts.release_hold(me.client, number, reason=text.strip()),
                    "The hold is released.",
                )


def _hold_form(me: Visitor, rows: Sequence[AdminPayout]) -> None:
    open_rows = {row.payout_id: row for row in rows if row.status in _CANCELABLE}
    if not open_rows:
        st.caption("No payout is open that could be held.")
        return
    with st.form("payout_hold"):
        number = st.selectbox(
            "Payout", list(open_rows), key="hold_payout",
            format_func=lambda number: f"{number} · creator {open_rows[number].creator_id}",
        )  # fmt: skip
        reason = st.text_input("Reason (the creator reads it)", max_chars=300, key="hold_reason")
        if st.form_submit_button("Hold", key="hold_place"):
            row = open_rows[number]
            _act(
                lambda: payouts.hold(me.client, row.creator_id, reason=reason.strip(), payout_id=row.payout_id),
                f"Payout {number} is on hold.",
            )
    waiting = [row.payout_id for row in open_rows.values() if row.status == "held"]
    if waiting:
        left, right = st.columns([4, 1], vertical_alignment="bottom")
        chosen = left.selectbox("A held payout whose reasons were mended", waiting, key="release_payout")
        if right.button("Release", key="release_payout_now"):
            _act(lambda: payouts.release(me.client, chosen), f"Payout {chosen} goes on.")


def _act(do: Callable[[], object], done: str) -> None:
    """One change, and what it did after the page is drawn anew; a refusal stands where the button is."""
    try:
        do()
    except FairshareError as refused:
        st.error(_plain(refused.sentence))
        return
    st.session_state[_SAID] = done
    st.rerun()


def _plain(text: str) -> str:
    """People's words as text, whatever Markdown they hold."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()<>#+-.!|$:~^" else sign for sign in text.replace("\n", " "))
