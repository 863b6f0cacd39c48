"""Who is looking at this page: from the cookie, through the session table, to a client that speaks for one user.

The client lives in the visitor's own Streamlit session and nowhere else. The session table is asked on every run,
so signing out in one tab ends the others too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import httpx
import streamlit as st

from frontend import surroundings
from frontend.auth import flows
from frontend.auth.handles import BROWSER_COOKIE, SESSION_COOKIE
from frontend.auth.refusals import ServiceUnreachable, SessionEnded
from frontend.auth.routes import end_session
from frontend.auth.store import StoredSession
from frontend.navigation import Role
from frontend.readers import UserRow, read_me
from supabase_conn import user_client
from ui.browser import post_form

_HELD = "_visitor_client"


@dataclass(frozen=True, slots=True)
class _Held:
    """The client of this Streamlit session and what it was made from."""

    session_hash: str
    access_token: str = field(repr=False)
    client: Any = field(repr=False)
    email: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in. `client` carries their log-in: row-level security answers for them."""

    auth_id: str
    email: str
    me: UserRow
    roles: frozenset[Role]
    client: Any = field(repr=False)

    @property
    def user_id(self) -> int:
        """The row in `users`."""
        return self.me.user_id


def session_cookie() -> str | None:
    """The session cookie that this tab was opened with."""
    return st.context.cookies.get(SESSION_COOKIE)


def address() -> str:
    """The visitor's network address, for the throttle; None means this machine."""
    return st.context.ip_address or "local"


def current_visitor() -> Visitor | None:
    """Who is signed in, or None. Raises ServiceUnreachable when that can not be known."""
    try:
        store = surroundings.session_store()
        session = store.find(session_cookie())
        if session is None:
            st.session_state.pop(_HELD, None)
            return None
        session = store.fresh(session, _refresh)
        held = _client_for(session)
    except SessionEnded:
        st.session_state.pop(_HELD, None)
        return None
    except httpx.TransportError:
        raise ServiceUnreachable from None
    me = read_me(held.client, session.tokens.auth_id)
    return Visitor(session.tokens.auth_id, held.email, me, roles_of(me), held.client)


def roles_of(me: UserRow) -> frozenset[Role]:
    """Creator and staff roles add up; a viewer is who has none of them."""
    roles = set()
    if me.is_creator:
        roles.add(Role.CREATOR)
    if me.staff_role == "reviewer":
        roles.add(Role.REVIEWER)
    elif me.staff_role == "admin":
        roles |= {Role.REVIEWER, Role.ADMIN}
    return frozenset(roles or {Role.VIEWER})


def still_signed_in() -> bool:
    """Whether this tab's session is still there; one look-up, for the regular check."""
    return surroundings.session_store().find(session_cookie()) is not None


def _refresh(refresh_token: str) -> flows.SignedIn:
    return flows.refresh(user_client(surroundings.settings()), refresh_token=refresh_token)


def _client_for(session: StoredSession) -> _Held:
    held: _Held | None = st.session_state.get(_HELD)
    if (
        held is not None
        and held.session_hash == session.session_hash
        and held.access_token == session.tokens.access_token
    ):
        return held
    client = user_client(surroundings.settings())
    try:
        email = flows.adopt(client, session.tokens)
    except SessionEnded:
        surroundings.session_store().end(session.session_hash)
        raise
    held = _Held(session.session_hash, session.tokens.access_token, client, email)
    st.session_state[_HELD] = held
    return held


def hand_over(tokens: flows.SignedIn, *, next_path: str | None = None) -> None:
    """Carries a log-in made on a page into the cookie: a ticket for this browser, posted by it, then a new page."""
    browser_id = st.context.cookies.get(BROWSER_COOKIE)
    if browser_id is None:
        st.error("Your browser keeps no cookies for this page. Allow them, reload, and sign in again.")
        st.stop()
    ticket = surroundings.session_store().issue_ticket(tokens, browser_id=browser_id)
    post_form("/auth/complete", {"ticket": ticket, "next": next_path or ""}, key="hand_over")
    st.caption("Signing you in …")
    st.stop()


def sign_out(*, everywhere: bool = False) -> None:
    """Ends the session on the server at once, then lets the browser drop its cookie."""
    end_session(session_cookie(), everywhere=everywhere)
    st.session_state.pop(_HELD, None)
    post_form("/auth/logout", {}, key="sign_out_form")
    st.caption("Signing you out …")
    st.stop()
