"""What waits for a second admin, and the reversal of a closed window: shown and asked for; the database decides."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import streamlit as st

from core.errors import FairshareError
from frontend.auth.visitor import Visitor
from frontend.readers import ClosedWindow, sure
from revenue_split import approvals, reversal
from revenue_split.approvals import Proposal
from revenue_split.errors import AwaitingApproval
from ui import cards
from ui.formats import Formats

_TOLD = "_approvals_told"
_KEY = "_reversal_key"
_VERBS = {"close": "Close", "reverse": "Reverse"}


def told() -> None:
    """What the last press did; it stays until the next one. Its place is always there, so that nothing below jumps."""
    with st.container():
        if words := st.session_state.get(_TOLD):
            st.success(words)


def proposals_panel(me: Visitor, found: Sequence[Proposal], *, fmt: Formats) -> None:
    """Open proposals with their two buttons, and below those that were decided or that nobody decided in time."""
    now = datetime.now(UTC)
    waiting = [one for one in found if one.waits(now)]
    decided = [one for one in found if not one.waits(now)]
    if not found:
        return
    cards.section(
        "Waiting for a second admin",
        "What is approved is exactly what was looked at; nothing is computed anew. After seven days it is void.",
    )
    if not waiting:
        st.caption("Nothing waits.")
    for one in waiting:
        _proposal(me, one, fmt)
    if decided:
        with st.expander(f"Decided or void ({len(decided)})", icon=":material/history:"):
            st.dataframe(
                {
                    "no.": [one.proposal_id for one in decided],
                    "what": [_VERBS[one.action] for one in decided],
                    "window (UTC)": [_days(one.summary, fmt) for one in decided],
                    "pool": [_money(one.summary, "pool_cents", fmt) for one in decided],
                    "ended": [fmt.moment(_ended(one)) for one in decided],
                    "outcome": ["expired" if one.status == "open" else one.status for one in decided],
                    "reason": [one.reason or "" for one in decided],
                },
                hide_index=True,
                key="proposals_decided",
            )


def _ended(one: Proposal) -> datetime:
    return one.decided_at if one.decided_at and one.status != "expired" else one.expires_at


def _proposal(me: Visitor, one: Proposal, fmt: Formats) -> None:
    mine = one.proposed_by is not None and one.proposed_by == me.auth_id
    with st.container(border=True):
        kind = "" if one.summary.get("kind", "regular") == "regular" else f", {one.summary['kind']}"
        rules = one.summary.get("policy", "")
        st.markdown(f"**{_VERBS[one.action]} {_days(one.summary, fmt)}{kind}** · {rules} · no. {one.proposal_id}")
        st.caption(
            f"{one.why}. Asked for {fmt.moment(one.proposed_at)} by {_who(one, mine)}; "
            f"void from {fmt.moment(one.expires_at)} on."
        )
        parts = [("Pool", "pool_cents"), ("To creators, fee included", "allocated_cents")]
        parts += [("Reserve", "reserve_cents"), ("Residual", "residual_cents")] if one.action == "close" else []
        parts += [("Would be owed", "owed_cents")] if one.action == "reverse" else []
        for column, (label, name) in zip(st.columns(len(parts)), parts, strict=True):
            column.metric(label, _money(one.summary, name, fmt))
        if one.action == "reverse":
            st.text(f"Reason: {one.summary.get('reason', '')}")
        left, right = st.columns([1, 2])
        if mine:
            left.caption("You asked for it: another admin approves it.")
        elif left.button("Approve and carry out", type="primary", key=f"approve_{one.proposal_id}"):
            _decide(me, one, approve=True)
        with right.popover("Reject" if not mine else "Withdraw", key=f"reject_open_{one.proposal_id}"):
            reason = st.text_input("Reason", key=f"reject_reason_{one.proposal_id}", max_chars=2000)
            words = "Withdraw it" if mine else "Reject it"
            if st.button(words, key=f"reject_{one.proposal_id}", disabled=not reason.strip()):
                _decide(me, one, approve=False, reason=reason.strip())


def _decide(me: Visitor, one: Proposal, *, approve: bool, reason: str | None = None) -> None:
    try:
        with st.spinner("Writing …"):
            done = approvals.decide(me.client, one.proposal_id, approve=approve, reason=reason)
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    if not approve:
        st.session_state[_TOLD] = f"Proposal {one.proposal_id} is {done['status']}; nothing has moved."
    else:
        st.session_state[_TOLD] = f"Window {done['revenue_window_id']} is {done['status']}."
    st.rerun()


def _who(one: Proposal, mine: bool) -> str:
    if one.proposed_by is None:
        return "a job"
    return "you" if mine else "another admin"


def _days(summary: dict[str, Any], fmt: Formats) -> str:
    return fmt.utc_range(sure(summary["window_start"]), sure(summary["window_end"]))


def _money(summary: dict[str, Any], name: str, fmt: Formats) -> str:
    return fmt.money(int(summary.get(name) or 0), str(summary.get("currency", "USD")))


def reversal_panel(me: Visitor, closed: Sequence[ClosedWindow], *, fmt: Formats) -> None:
    """Takes a closed window back after its number has been typed."""
    standing = {one.window_id: one for one in closed if not one.is_reversed}
    if not standing:
        return
    with st.form("reverse_window_form", border=True):
        cards.section("Reverse a window", "Every entry of the close is mirrored; its days can then be closed anew.")
        st.caption(
            "Creators are told your reason. What was paid out meanwhile they owe, and what they earn next fills it."
        )
        left, middle, right = st.columns([2, 3, 1])
        number = left.selectbox(
            "Window", list(standing), format_func=lambda n: _window_words(standing[n], fmt), key="reverse_window"
        )
        reason = middle.text_input("Reason (creators read it)", key="reverse_reason", max_chars=2000)
        typed = right.text_input("Its number again", key="reverse_confirm")
        pressed = st.form_submit_button("Reverse the window", key="reverse_press", icon=":material/undo:")
        if not pressed:
            return
        if not reason.strip():
            st.error("Say why: creators read it.")
            return
        if typed.strip() != str(number):
            st.error(f"Type {number}, the window's number, to confirm.")
            return
        # One key for this window in this session: however often the button is pressed, it is one reversal.
        keys = st.session_state.setdefault(_KEY, {})
        key = keys.setdefault((number, reason.strip()), f"portal-{secrets.token_urlsafe(18)}")
        try:
            with st.spinner("Reversing …"):
                done = reversal.reverse(me.client, number, reason.strip(), key)
        except AwaitingApproval as waits:
            st.session_state[_TOLD] = waits.sentence
        except FairshareError as refused:
            st.error(refused.sentence)
            return
        else:
            st.session_state[_TOLD] = reversal.reversed_words(done)
        st.rerun()


def _window_words(one: ClosedWindow, fmt: Formats) -> str:
    return f"{one.window_id} · {fmt.utc_range(one.start, one.end)} · {fmt.money(one.pool_cents, one.currency)}"
