"""The frame around every page: sidebar, refusals, errors in words, and the regular look whether a tab is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import streamlit as st
from postgrest.exceptions import APIError

from core.errors import FairshareError
from frontend.auth import visitor as door
from frontend.auth.visitor import Visitor
from frontend.navigation import Entry, Role, entry_of

_CHECK_EVERY_S = 10
_VISITOR = "_visitor"
_NEXT = "_next_path"
_NOT_ALLOWED = {"42501", "PGRST301"}


def greet() -> Visitor | None:
    """Who is there, looked up once a run and kept for the page of this run. Raises ServiceUnreachable."""
    visitor = door.current_visitor()
    st.session_state[_VISITOR] = visitor
    return visitor


def require(path: str) -> Visitor:
    """The guard at the top of a page: the visitor if the page is for them, else a refusal and the end of the run."""
    visitor: Visitor | None = st.session_state.get(_VISITOR)
    entry = entry_of(path)
    if visitor is None or not visitor.roles & entry.roles:
        refuse(entry, visitor)
        st.stop()
    return visitor


def refuse(entry: Entry, visitor: Visitor | None) -> None:
    """What stands at an address that is not for this visitor."""
    st.title(entry.title, anchor=False)
    if visitor is None:
        st.session_state[_NEXT] = entry.path
        st.info("Sign in to open this page.", icon=":material/lock:")
        if st.button("Sign in", type="primary", key="refused_sign_in"):
            st.switch_page("app_pages/sign_in.py")
    elif entry.roles == frozenset({Role.ANONYMOUS}):
        st.info("You are signed in already.", icon=":material/check:")
    else:
        wanted = " and ".join(f"{role.value}s" for role in Role if role in entry.roles)
        st.error(f"This page is for {wanted}. Your account has no such role.", icon=":material/block:")


def next_path() -> str | None:
    """The page that a visitor asked for before signing in."""
    return st.session_state.get(_NEXT)


def sidebar(visitor: Visitor) -> None:
    """Who is signed in, and the way out; watches that the session is still there."""
    with st.sidebar:
        st.caption("Signed in as")
        st.text(visitor.email)
        leaving = st.button("Sign out", key="sign_out", icon=":material/logout:", width="stretch")
        _watch()
    if leaving:
        door.sign_out()


@st.fragment(run_every=_CHECK_EVERY_S)
def _watch() -> None:
    if not door.still_signed_in():
        st.rerun()


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Shows what a user can understand in one place; anything else is a bug and stays one."""
    try:
        yield
    except FairshareError as error:
        st.error(error.sentence, icon=":material/error:")
    except httpx.TransportError:
        st.error("The database does not answer. Try again in a moment.", icon=":material/cloud_off:")
    except APIError as error:
        if error.code not in _NOT_ALLOWED:
            raise
        st.error("The database does not allow this for your account.", icon=":material/block:")
