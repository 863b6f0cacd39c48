"""Random handles for sessions, tickets and browsers. The database holds only their hashes.

Three handles exist. The *browser id* is a cookie that every visitor gets; the *ticket* (one use, one minute) carries
a sign-in from the page to `/auth/complete`; the *session id* is the cookie of somebody who is signed in.
"""

from __future__ import annotations

import hashlib
import secrets

SESSION_COOKIE = "fairshare_session"
BROWSER_COOKIE = "fairshare_browser"

_BYTES = 32
_LENGTH = len(secrets.token_urlsafe(_BYTES))


def new_handle() -> str:
    """256 random bits, safe in a cookie and a form."""
    return secrets.token_urlsafe(_BYTES)


def looks_like_handle(text: str | None) -> bool:
    """Whether `text` could be a handle at all: a cookie from elsewhere is not worth a look-up."""
    return text is not None and len(text) == _LENGTH and text.replace("-", "").replace("_", "").isalnum()


def digest(*parts: str) -> str:
    """SHA-256 (hex) of the parts. The separator can not occur in a handle, an address or an e-mail address."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
