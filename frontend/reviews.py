"""Reviews on the pages: a creator asks and reads the answer, a reviewer looks and answers. The database decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from bot_account_detection.reasons import BY_CODE, reason
from core.errors import FairshareError
from frontend.auth.visitor import Visitor
from frontend.explanation_reads import Explanation
from ui import cards
from ui.formats import Formats
from viewer_activity import reviews
from viewer_activity.reviews import Review
from viewer_activity.telling import told

_SAID = "_review_said"
_STATES = {
    "open": ("waits for a reviewer", "orange"),
    "upheld": ("you were right", "green"),
    "rejected": ("it stays", "gray"),
}
_SHOWN_ACCOUNTS = 1000


def said() -> None:
    """What the last press did."""
    if words := st.session_state.pop(_SAID, None):
        st.success(words)


def creators_panel(me: Visitor, found: Explanation, asked: Sequence[Review], *, fmt: Formats) -> None:
    """What the creator asked about this video and window, with the answers, and the form that asks."""
    open_codes = [
        group["code"]
        for group in found.groups
        if BY_CODE[group["code"]].may_ask and group["code"] not in {one.code for one in asked}
    ]
    if not asked and not open_codes:
        return
    cards.section(
        "Reviews",
        "A person looks at it and answers here. An account that is cleared counts in full when days are weighed next; "
        "windows that are closed stay as they were paid.",
    )
    for one in asked:
        _asked(one, fmt)
    if not open_codes:
        return
    with st.form(f"review_{found.video_id}", border=True):
        st.markdown("**Ask for a review**")
        code = st.selectbox(
            "What should be looked at",
            open_codes,
            format_func=lambda code: reason(code).title,
            key=f"review_code_{found.video_id}",
        )
        words = st.text_area(
            "Why these are real people",
            key=f"review_words_{found.video_id}",
            max_chars=2000,
            placeholder="Who they are, how you know them, what brought them here.",
        )
        st.caption("Asked once for each reason, video and window. Do not write other people's names or addresses.")
        pressed = st.form_submit_button("Ask", key=f"review_ask_{found.video_id}", icon=":material/rate_review:")
    if not pressed:
        return
    try:
        number = reviews.ask(me.client, found.video_id, found.start, found.end, code=code, words=words)
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    st.session_state[_SAID] = f"Request {number} is written. The answer will stand below, with its reason."
    st.rerun()


def _asked(one: Review, fmt: Formats) -> None:
    word, colour = _STATES[one.status]
    with st.container(border=True):
        st.markdown(f"**{reason(one.code).title}** :{colour}-badge[{word}]")
        st.caption(f"No. {one.review_id} · asked {fmt.moment(one.asked_at)}")
        # People's words are shown as text, since Markdown would make links of them.
        st.text(one.words)
        if one.answer is not None:
            cleared = f" · {fmt.count(one.cleared)} accounts cleared" if one.cleared else ""
            st.caption(f"Answered {fmt.moment(one.decided_at)}{cleared}")
            st.text(one.answer)


def queue_panel(
    me: Visitor, waiting: Sequence[Review], explained: Mapping[int, Explanation | None], *, most: int, fmt: Formats
) -> None:
    """What waits for a reviewer, the oldest first, each with its evidence and the form that answers; at most `most`."""
    if not waiting:
        cards.empty("Nothing waits", "What creators ask to be looked at again is listed here.", icon="rate_review")
        return
    if len(waiting) == most:
        st.caption(f"The oldest {fmt.count(most)}; more follow once these are answered.")
    for one in waiting:
        with st.container(border=True):
            st.markdown(f"**{reason(one.code).title}** · video {one.video_id} · creator {one.creator_id}")
            st.caption(
                f"No. {one.review_id} · {fmt.utc_range(one.start, one.end)} (UTC) · asked {fmt.ago(one.asked_at)}"
            )
            st.text(one.words)
            _evidence(one, explained.get(one.review_id), fmt)
            _answer_form(me, one, fmt)


def _evidence(one: Review, found: Explanation | None, fmt: Formats) -> None:
    group = next((group for group in found.groups if group["code"] == one.code), None) if found else None
    if group is None:
        st.caption("These days were weighed anew since, and the reason does not stand on the video any more.")
        return
    (line,) = told([group], number=fmt.count)
    st.markdown(f"{line.headline}.")
    st.markdown(f":small[What to look at: {line.reason.review}]")


def _answer_form(me: Visitor, one: Review, fmt: Formats) -> None:
    if one.creator_id == me.user_id:
        st.caption("It is your own video: another reviewer answers.")
        return
    try:
        accounts = reviews.disputed_accounts(me.client, one)
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    with st.form(f"answer_{one.review_id}", border=False):
        if accounts:
            clear = st.multiselect(
                f"Accounts to clear, if the creator is right ({fmt.count(len(accounts))} stand under the reason)",
                accounts[:_SHOWN_ACCOUNTS],
                default=accounts[:_SHOWN_ACCOUNTS],
                key=f"answer_clear_{one.review_id}",
                help="Cleared for a year; they count in full when days are weighed next.",
            )
        else:
            clear = []
            st.caption("No account stands under this reason by itself; accounts are cleared on the page Clusters.")
        words = st.text_area("Answer (the creator reads it)", key=f"answer_words_{one.review_id}", max_chars=2000)
        left, right, _ = st.columns([1, 1, 3])
        upheld = left.form_submit_button("The creator is right", key=f"answer_uphold_{one.review_id}", type="primary")
        rejected = right.form_submit_button("It stays", key=f"answer_reject_{one.review_id}")
    if not upheld and not rejected:
        return
    try:
        cleared = reviews.answer(
            me.client, one.review_id, upheld=upheld, words=words, clear=clear if upheld else ()
        )  # fmt: skip
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    more = f"; {fmt.count(cleared)} accounts are cleared" if cleared else ""
    st.session_state[_SAID] = f"Request {one.review_id} is {'upheld' if upheld else 'rejected'}{more}."
    st.rerun()


def answered_panel(answered: Sequence[Review], *, fmt: Formats) -> None:
    """What was answered, the latest first."""
    if not answered:
        return
    cards.section("Answered")
    st.dataframe(
        {
            "no.": [one.review_id for one in answered],
            "video": [one.video_id for one in answered],
            "creator": [one.creator_id for one in answered],
            "reason": [reason(one.code).title for one in answered],
            "outcome": [one.status for one in answered],
            "cleared": [one.cleared for one in answered],
            "answer": [one.answer or "" for one in answered],
            "answered": [fmt.moment(one.decided_at) for one in answered],
        },
        hide_index=True,
        key="reviews_answered",
    )
