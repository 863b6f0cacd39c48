"""The parts of the cluster page: evidence as figures and tables, and the form of a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import streamlit as st

from bot_account_detection.reasons import CLEARED, CONFIRMED, WITHDRAWN, reason
from bot_account_detection.verdicts import label_account
from core.errors import FairshareError
from frontend.auth.visitor import Visitor
from frontend.explanation_reads import Cluster, Member
from ui import cards
from ui.formats import Formats

_CODES = {"confirmed": CONFIRMED, "cleared": CLEARED, "withdrawn": WITHDRAWN}
_DAYS = {"30 days": 30, "90 days": 90, "a year": 365}


def choose(found: Sequence[Cluster], *, fmt: Formats) -> Cluster:
    """One of the clusters, the largest first."""
    by_id = {one.cluster_id: one for one in found}

    def words(cluster_id: int) -> str:
        one = by_id[cluster_id]
        return f"#{cluster_id}: {fmt.count(one.accounts)} accounts, counted as {fmt.decimal(one.counted_as)}"

    return by_id[st.selectbox("Cluster", list(by_id), format_func=words, key="cluster")]


def evidence_panel(one: Cluster, *, fmt: Formats) -> None:
    """What the accounts did together."""
    found = one.evidence
    figures = (
        ("Accounts", one.accounts, "that are one cluster"),
        ("Counted as", None, "viewers together"),
        ("Acts", found["acts"], f"{fmt.count(found['views'])} views, {fmt.count(found['reports'])} reports"),
        ("Videos", found["videos"], f"of {fmt.count(found['creators'])} creators"),
        ("Devices", found["devices"], f"{fmt.count(found['most_on_one_device'])} accounts on one at most"),
        ("Addresses", found["addresses"], "hashed"),
    )
    for row in (figures[:3], figures[3:]):
        for column, (label, number, note) in zip(st.columns(3), row, strict=True):
            value = fmt.decimal(one.counted_as) if number is None else fmt.count(number)
            with column, st.container(border=True, height="stretch"):
                st.metric(label, value)
                st.caption(note)
    cards.section(
        "Where they met", "The videos with the most of them, and how far apart their first and last acts are."
    )
    meetings = found["meetings"] or []
    names = ("video_id", "creator_id", "accounts", "acts", "span_minutes")
    st.dataframe(
        {name.replace("_", " "): [meeting[name] for meeting in meetings] for name in names},
        hide_index=True,
        key="cluster_meetings",
    )


def members_table(members: Sequence[Member]) -> None:
    """The accounts, the lowest weight first."""
    cards.section("Accounts")
    st.dataframe(
        {
            "account": [member.user_id for member in members],
            "weight": [round(member.weight, 4) for member in members],
            "reasons": [", ".join(member.reasons) for member in members],
        },
        hide_index=True,
        key="cluster_members",
    )


def verdict_form(me: Visitor, members: Sequence[Member]) -> None:
    """A verdict on one account; the database checks who asks, and writes the audit row."""
    cards.section(
        "Verdict", "A verdict outranks the machine until it expires. It takes part when a window is weighed next."
    )
    verdict = st.segmented_control("Verdict", list(_CODES), key="verdict", default="confirmed") or "confirmed"
    with st.form("verdict_form", border=True):
        account = st.selectbox("Account", [member.user_id for member in members], key="verdict_account")
        code = st.selectbox("Reason", _CODES[verdict], format_func=_review, key=f"verdict_code_{verdict}")
        expires = st.selectbox("Expires after", list(_DAYS), key="verdict_days", disabled=verdict == "withdrawn")
        note = st.text_area("Note", key="verdict_note", max_chars=2000, placeholder="What you saw.")
        pressed = st.form_submit_button("Decide", type="primary", key="verdict_submit", icon=":material/gavel:")
    if not pressed or account is None:
        return
    until = None if verdict == "withdrawn" else datetime.now(UTC) + timedelta(days=_DAYS[expires])
    try:
        number = label_account(
            me.client, account, verdict=verdict, reason_code=code, note=note or None, expires_at=until
        )
    except FairshareError as refused:
        st.error(refused.sentence, icon=":material/block:")
        return
    st.success(f"Verdict {number} on account {account} is written.", icon=":material/check:")


def _review(code: str) -> str:
    return code.replace("_", " ") if code in WITHDRAWN else reason(code).review
