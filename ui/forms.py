"""Pieces of the sign-in pages: a narrow column, the brand, and a resend button that counts down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import FairshareError

RESEND_AFTER_S = 45


@contextmanager
def narrow() -> Iterator[None]:
    """A column that reads well on a wide screen and fills a phone."""
    with st.container(horizontal=True, horizontal_alignment="center"), st.container(width=440):
        yield


def brand(sentence: str) -> None:
    """Name and promise."""
    st.title("Fairshare", anchor=False)
    st.markdown(f":gray[{sentence}]")


def start_countdown(key: str) -> None:
    """Notes that a mail went out now."""
    st.session_state[f"_sent_{key}"] = time.monotonic()


@st.fragment(run_every=1)
def resend_button(key: str, send: Callable[[], None]) -> None:
    """Offers another mail once the last one had time to arrive; `send` may refuse with a sentence."""
    waited = time.monotonic() - st.session_state.get(f"_sent_{key}", -RESEND_AFTER_S)
    left = int(RESEND_AFTER_S - waited) + 1
    label = "Send the mail again" if waited >= RESEND_AFTER_S else f"Send the mail again in {left} s"
    if not st.button(label, key=key, disabled=waited < RESEND_AFTER_S, icon=":material/forward_to_inbox:"):
        return
    try:
        send()
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    start_countdown(key)
    st.toast("Mail is on its way.")
