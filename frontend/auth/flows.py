"""Sign-up, verification, sign-in and reset as plain functions over one user's client (no page in sight).

Every function takes a client made for this one attempt and answers with the tokens to keep, or raises AuthRefused.
Answers do not tell whether an address has an account.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
from supabase_auth.errors import AuthApiError, AuthError, AuthRetryableError, AuthWeakPasswordError

from frontend.auth import refusals

MIN_PASSWORD_LENGTH = 10
CODE_LENGTH = 6
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")

LinkKind = Literal["signup", "recovery"]


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh log-in. The tokens stay on the server and out of every representation."""

    auth_id: str
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def clean_email(text: str) -> str:
    """The address as Auth keeps it. Raises BadEmail."""
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email) or len(email) > 254:
        raise refusals.BadEmail
    return email


def check_new_password(password: str, repeated: str) -> None:
    """Raises WeakPassword or PasswordsDiffer before anything is sent."""
    if len(password) < MIN_PASSWORD_LENGTH or len(set(password)) < 4:
        raise refusals.WeakPassword(MIN_PASSWORD_LENGTH)
    if password != repeated:
        raise refusals.PasswordsDiffer


@contextmanager
def _translated() -> Iterator[None]:
    """Turns what Auth and the network raise into refusals; an unknown error of Auth stays what it is."""
    try:
        yield
    except AuthWeakPasswordError:
        raise refusals.WeakPassword(MIN_PASSWORD_LENGTH) from None
    except (AuthRetryableError, httpx.TransportError):
        raise refusals.ServiceUnreachable from None
    except AuthApiError as error:
        known = _KNOWN.get(error.code or "")
        if known is not None:
            raise known() from None
        if error.status == 429:
            raise refusals.TooManyAttempts(60) from None
        raise


_KNOWN: dict[str, Any] = {
    "invalid_credentials": refusals.WrongCredentials,
    "email_not_confirmed": refusals.NotConfirmed,
    "otp_expired": refusals.CodeRefused,
    "email_address_invalid": refusals.BadEmail,
    "same_password": refusals.SamePassword,
    "weak_password": lambda: refusals.WeakPassword(MIN_PASSWORD_LENGTH),
    "over_email_send_rate_limit": lambda: refusals.TooManyAttempts(60),
    "over_request_rate_limit": lambda: refusals.TooManyAttempts(60),
    "refresh_token_not_found": refusals.SessionEnded,
    "refresh_token_already_used": refusals.SessionEnded,
    "session_not_found": refusals.SessionEnded,
    "session_expired": refusals.SessionEnded,
    "user_not_found": refusals.SessionEnded,
    "bad_jwt": refusals.SessionEnded,
    "user_banned": refusals.WrongCredentials,
}


def _signed_in(response: Any) -> SignedIn:
    if response.session is None or response.user is None:
        raise refusals.CodeRefused
    return SignedIn(str(response.user.id), response.session.access_token, response.session.refresh_token)


def sign_up(client: Any, *, email: str, password: str) -> None:
    """Makes the account and sends the mail. An address that has an account gets the same answer."""
    with _translated():
        try:
            client.auth.sign_up({"email": email, "password": password})
        except AuthApiError as error:
            if error.code not in {"user_already_exists", "email_exists"}:
                raise


def resend_confirmation(client: Any, *, email: str) -> None:
    """Sends the confirmation mail again, if there is something to confirm."""
    with _translated():
        client.auth.resend({"type": "signup", "email": email})


def verify_code(client: Any, *, email: str, code: str, kind: LinkKind) -> SignedIn:
    """Checks the six digits that the mail carries."""
    digits = "".join(code.split())
    if len(digits) != CODE_LENGTH or not digits.isascii() or not digits.isdigit():
        raise refusals.CodeRefused
    with _code_refused(), _translated():
        return _signed_in(client.auth.verify_otp({"email": email, "token": digits, "type": kind}))


def verify_link(client: Any, *, token_hash: str, kind: LinkKind) -> SignedIn:
    """Checks the hash that the mail's link carries."""
    with _code_refused(), _translated():
        return _signed_in(client.auth.verify_otp({"token_hash": token_hash, "type": kind}))


@contextmanager
def _code_refused() -> Iterator[None]:
    # Auth answers a wrong code with several 4xx codes; to the user they are one thing.
    try:
        yield
    except AuthApiError as error:
        if error.status >= 500:
            raise
        raise refusals.CodeRefused from None


def sign_in(client: Any, *, email: str, password: str) -> SignedIn:
    """Checks e-mail and password."""
    with _translated():
        return _signed_in(client.auth.sign_in_with_password({"email": email, "password": password}))


def ask_reset(client: Any, *, email: str) -> None:
    """Sends the mail to set a new password, if the address has an account."""
    with _translated():
        client.auth.reset_password_for_email(email)


def set_password(client: Any, *, password: str) -> None:
    """Sets the password of the user whom `client` has just verified, and ends that user's other log-ins."""
    with _translated():
        client.auth.update_user({"password": password})
        client.auth.sign_out({"scope": "others"})


def refresh(client: Any, *, refresh_token: str) -> SignedIn:
    """New tokens for old. Raises SessionEnded when the log-in was revoked."""
    with _translated():
        return _signed_in(client.auth.refresh_session(refresh_token))


def adopt(client: Any, tokens: SignedIn) -> str:
    """Lets `client` speak for the user and returns their e-mail address.

    Asks Auth whether the log-in still stands. Raises SessionEnded.
    """
    try:
        with _translated():
            response = client.auth.set_session(tokens.access_token, tokens.refresh_token)
            if response.user is None:
                raise refusals.SessionEnded
            return response.user.email or ""
    except AuthApiError as error:
        if error.status in {401, 403, 404}:
            raise refusals.SessionEnded from None
        raise


def sign_out(client: Any, *, everywhere: bool) -> None:
    """Revokes this log-in, or all of the user's. A log-in that is gone already counts as signed out."""
    try:
        client.auth.sign_out({"scope": "global" if everywhere else "local"})
    except AuthError as error:
        if isinstance(error, AuthRetryableError):
            raise refusals.ServiceUnreachable from None
        if not isinstance(error, AuthApiError) or error.status >= 500:
            raise
    except httpx.TransportError:
        raise refusals.ServiceUnreachable from None
