"""The server-side table of portal sessions: hashed session id -> sealed tokens.

The browser holds a random session id in an HttpOnly cookie and nothing else. A copy of the database opens no
session (ids are hashed, tokens sealed with the data key), and neither does the page (JavaScript reads no cookie).
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.crypto import SealError, seal, unseal
from frontend.auth.flows import SignedIn
from frontend.auth.handles import digest, looks_like_handle, new_handle
from frontend.auth.refusals import SessionEnded, TicketRefused

SESSION_LIFETIME = timedelta(days=7)
TICKET_LIFETIME = timedelta(seconds=60)
#: A token that ends within this time is refreshed before it is used.
REFRESH_MARGIN = timedelta(seconds=90)

# Refresh tokens rotate and their reuse ends the log-in, so two tabs must not refresh at once. Striped, so that the
# number of locks does not grow with the number of sessions.
_LOCKS = tuple(threading.Lock() for _ in range(64))

Refresher = Callable[[str], SignedIn]


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A live portal session with its opened tokens."""

    session_hash: str
    tokens: SignedIn


class SessionStore:
    """Opens, finds, refreshes and ends portal sessions. `jobs` is a secret-key client, `key` the data key."""

    def __init__(self, jobs: Any, key: bytes, *, now: Callable[[], datetime] | None = None) -> None:
        self._jobs = jobs
        self._key = key
        self._now = now or (lambda: datetime.now(UTC))

    def open(self, tokens: SignedIn, *, lifetime: timedelta = SESSION_LIFETIME) -> str:
        """Stores a log-in and returns its session id, which exists nowhere else. Clears the user's dead sessions."""
        session_id = new_handle()
        now = self._now()
        sessions = self._jobs.table("portal_sessions")
        sessions.delete().eq("auth_id", tokens.auth_id).lt("expires_at", now.isoformat()).execute()
        sessions.insert(
            {
                "session_hash": digest(session_id),
                "auth_id": tokens.auth_id,
                **self._sealed(tokens),
                "created_at": now.isoformat(),
                "refreshed_at": now.isoformat(),
                "expires_at": (now + lifetime).isoformat(),
            }
        ).execute()
        return session_id

    def issue_ticket(self, tokens: SignedIn, *, browser_id: str) -> str:
        """Stores a log-in and returns a ticket that this browser alone can change into the cookie, once."""
        provisional = self.open(tokens, lifetime=TICKET_LIFETIME)
        ticket = new_handle()
        self._jobs.table("login_tickets").insert(
            {
                "ticket_hash": digest(ticket, browser_id),
                "session_hash": digest(provisional),
                "created_at": self._now().isoformat(),
            }
        ).execute()
        return ticket

    def redeem_ticket(self, ticket: str | None, *, browser_id: str | None) -> str:
        """The session id for the cookie. Raises TicketRefused; of two attempts at once, one succeeds.

        The session gets a fresh id here, so that no id exists before its cookie does.
        """
        if ticket is None or browser_id is None or not looks_like_handle(ticket):
            raise TicketRefused
        now = self._now()
        claimed = (
            self._jobs.table("login_tickets")
            .update({"used_at": now.isoformat()})
            .eq("ticket_hash", digest(ticket, browser_id))
            .is_("used_at", "null")
            .gt("created_at", (now - TICKET_LIFETIME).isoformat())
            .execute()
            .data
        )
        if len(claimed) != 1:
            raise TicketRefused
        stored = self._read(claimed[0]["session_hash"])
        if stored is None:
            raise TicketRefused
        session_id = self.open(stored.tokens)
        self._delete("session_hash", stored.session_hash)
        return session_id

    def find(self, session_id: str | None) -> StoredSession | None:
        """The live session behind a cookie, or None."""
        if session_id is None or not looks_like_handle(session_id):
            return None
        return self._read(digest(session_id))

    def fresh(self, session: StoredSession, refresher: Refresher) -> StoredSession:
        """The session with tokens that last; refreshed under a lock if they are about to end.

        Raises SessionEnded, and forgets the session, when Auth no longer knows the log-in.
        """
        if not self._ends_soon(session.tokens.access_token):
            return session
        with _LOCKS[int(session.session_hash[:8], 16) % len(_LOCKS)]:
            # Another tab may have refreshed while this one waited.
            current = self._read(session.session_hash)
            if current is None:
                raise SessionEnded
            if not self._ends_soon(current.tokens.access_token):
                return current
            try:
                tokens = refresher(current.tokens.refresh_token)
            except SessionEnded:
                self._delete("session_hash", session.session_hash)
                raise
            self._jobs.table("portal_sessions").update(
                {**self._sealed(tokens), "refreshed_at": self._now().isoformat()}
            ).eq("session_hash", session.session_hash).execute()
            return StoredSession(session.session_hash, tokens)

    def end(self, session_hash: str) -> None:
        """Forgets one session: its cookie opens nothing any more."""
        self._delete("session_hash", session_hash)

    def end_all(self, auth_id: str) -> None:
        """Forgets every session of a user, in all browsers."""
        self._delete("auth_id", auth_id)

    def _delete(self, column: str, value: str) -> None:
        self._jobs.table("portal_sessions").delete().eq(column, value).execute()

    def _read(self, session_hash: str) -> StoredSession | None:
        rows = (
            self._jobs.table("portal_sessions")
            .select("auth_id,access_token_sealed,refresh_token_sealed")
            .eq("session_hash", session_hash)
            .gt("expires_at", self._now().isoformat())
            .execute()
            .data
        )
        if not rows:
            return None
        row = rows[0]
        auth_id = row["auth_id"]
        try:
            tokens = SignedIn(
                auth_id,
                unseal(row["access_token_sealed"], self._key, context=_context("access", auth_id)),
                unseal(row["refresh_token_sealed"], self._key, context=_context("refresh", auth_id)),
            )
        except SealError:
            # Sealed with a former data key: the session can not be continued, only opened anew.
            return None
        return StoredSession(session_hash, tokens)

    def _sealed(self, tokens: SignedIn) -> dict[str, str]:
        return {
            "access_token_sealed": seal(tokens.access_token, self._key, context=_context("access", tokens.auth_id)),
            "refresh_token_sealed": seal(tokens.refresh_token, self._key, context=_context("refresh", tokens.auth_id)),
        }

    def _ends_soon(self, access_token: str) -> bool:
        return expires_at(access_token) <= self._now() + REFRESH_MARGIN


def _context(which: str, auth_id: str) -> str:
    return f"portal_sessions.{which}_token_sealed:{auth_id}"


def expires_at(access_token: str) -> datetime:
    """When a token of ours ends (UTC). It came from Auth itself, so its signature is Auth's business."""
    try:
        payload = access_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return datetime.fromtimestamp(int(claims["exp"]), UTC)
    except (IndexError, KeyError, ValueError, binascii.Error):
        raise SessionEnded from None
