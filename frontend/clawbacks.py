"""What was taken back from creators, for admins, and the form that gives it back; the database decides."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

import streamlit as st

from core.errors import FairshareError
from frontend.auth.visitor import Visitor
from revenue_split.clawbacks import Clawback, give_back
from ui import cards
from ui.formats import Formats

_KEY = "_give_back_key"
_SAID = "_give_back_said"


def clawbacks_panel(me: Visitor, found: Sequence[Clawback], *, fmt: Formats) -> None:
    """Every chargeback and fraud, and one of those that stand given back."""
    if not found:
        return
    cards.section(
        "Taken back", "Chargebacks and confirmed fraud. What was wrong is given back whole; the creator is told."
    )
    if words := st.session_state.pop(_SAID, None):
        st.success(words)
    st.dataframe(
        {
            "no.": [one.clawback_id for one in found],
            "creator": [one.creator_id for one in found],
            "what": [one.kind for one in found],
            "reference": [one.reference for one in found],
            "amount": [fmt.money(one.amount_cents, one.currency) for one in found],
            "reason": [one.reason for one in found],
            "taken": [fmt.moment(one.created_at) for one in found],
            "given back": [one.given_back or "" for one in found],
        },
        hide_index=True,
        key="clawbacks_table",
    )
    standing = {one.clawback_id: one for one in found if one.given_back is None}
    if not standing:
        st.caption("All of it was given back.")
        return
    with st.form("give_back"):
        number = st.selectbox(
            "Taken by mistake", list(standing), format_func=lambda n: _words(standing[n], fmt), key="give_back_number"
        )
        reason = st.text_input("Reason (the creator reads it)", max_chars=300, key="give_back_reason")
        pressed = st.form_submit_button("Give it back", key="give_back_press", icon=":material/undo:")
    if pressed:
        _give_back(me, standing[number], reason.strip(), fmt)


def _give_back(me: Visitor, one: Clawback, reason: str, fmt: Formats) -> None:
    # One key for this clawback and reason in this session: however often the button is pressed, it is one act.
    keys = st.session_state.setdefault(_KEY, {})
    key = keys.setdefault((one.clawback_id, reason), f"portal-{secrets.token_urlsafe(18)}")
    try:
        done = give_back(me.client, one.clawback_id, reason=reason, idempotency_key=key)
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    less = f", {fmt.money(done.owed_cents, one.currency)} less is owed" if done.owed_cents else ""
    available = fmt.money(done.available_cents, one.currency)
    st.session_state[_SAID] = f"Clawback {one.clawback_id} is given back: {available} available{less}."
    st.rerun()


def _words(one: Clawback, fmt: Formats) -> str:
    return f"{one.clawback_id} · creator {one.creator_id} · {fmt.money(one.amount_cents, one.currency)}"
