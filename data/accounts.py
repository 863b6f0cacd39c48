"""Accounts that can really log in: made by signing up, as anybody would, because a project may have no admin
API.

On the local stack the confirmation is read from its mailbox; on a hosted project the person confirms the
mail.
"""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from supabase_auth.errors import AuthApiError, AuthError

from core.errors import BadInput, ConfigError, FairshareError
from core.settings import Settings
from supabase_conn import job_client, sql_connection, user_client

_MAIL_TIMEOUT_S = 20


class SignUpError(FairshareError):
    """An account could not be made."""


@dataclass(frozen=True, slots=True)
class Account:
    """A log-in and the row of `users` that belongs to it.

    `password` is None for an account that was there before; `confirmed` is False while a mail waits for its
    reader.
    """

    email: str
    user_id: int
    password: str | None
    confirmed: bool


def ensure_account(settings: Settings, email: str, *, password: str | None = None) -> Account:
    """Signs `email` up unless it has an account. Raises SignUpError, BadInput."""
    email = email.strip().lower()
    if "@" not in email[1:-1]:
        raise BadInput(f"{email!r} is not an e-mail address")
    known = _known(settings, email)
    if known is not None:
        return Account(email, known[0], None, known[1])
    chosen = password or secrets.token_urlsafe(12)
    client = user_client(settings)
    since = time.time()
    auth_id = _sign_up(client, email, chosen)
    confirmed = False
    if settings.fairshare_mailbox_dir is not None:
        _confirm(client, email, settings.fairshare_mailbox_dir, since)
        confirmed = True
    user_id = _user_of(settings, auth_id)
    if user_id is None:
        raise SignUpError(f"{email} has an account already, which only SUPABASE_DB_URL could look up")
    return Account(email, user_id, chosen, confirmed)


def _sign_up(client: Any, email: str, password: str) -> str:
    try:
        answer = client.auth.sign_up({"email": email, "password": password})
    except AuthApiError as error:
        if error.code in {"user_already_exists", "email_exists"}:
            raise SignUpError(
                f"{email} has an account already; set SUPABASE_DB_URL so that it can be looked up, or leave it out"
            ) from error
        raise SignUpError(f"{email} could not sign up: {error.message}") from error
    except (AuthError, httpx.HTTPError) as error:
        raise SignUpError(f"{email} could not sign up: {error}") from error
    if answer.user is None:
        raise SignUpError(f"{email} could not sign up: the answer names no user")
    return str(answer.user.id)


def _confirm(client: Any, email: str, mailbox: Path, since: float) -> None:
    """Does what the person would: reads the mail and follows its link."""
    mail = _mail_to(email, mailbox, since)
    try:
        client.auth.verify_otp({"email": email, "token": mail["code"], "type": "signup"})
    except AuthError as error:
        raise SignUpError(f"the mail to {email} could not be confirmed: {error}") from error


def _mail_to(email: str, mailbox: Path, since: float) -> dict[str, Any]:
    """The newest mail to `email` that arrived after `since`; waits for it."""
    until = time.monotonic() + _MAIL_TIMEOUT_S
    while time.monotonic() < until:
        for path in sorted(mailbox.glob("*.json"), reverse=True):
            if path.stat().st_mtime >= since - 1:
                mail = json.loads(path.read_text())
                if mail["to"] == email and mail["code"]:
                    return dict(mail)
        time.sleep(0.05)
    raise SignUpError(f"no mail to {email} arrived in {mailbox} within {_MAIL_TIMEOUT_S} s")


def _known(settings: Settings, email: str) -> tuple[int, bool] | None:
    """users.id and whether the address is confirmed; None for an unknown one, or where the database can not
    be asked.
    """
    connection = sql_connection(settings)
    if connection is None:
        return None
    with connection:
        row = connection.execute(
            "select u.id, a.email_confirmed_at is not null from auth.users a join public.users u on u.auth_id = a.id"
            " where lower(a.email) = %s",
            (email,),
        ).fetchone()
    return None if row is None else (int(row[0]), bool(row[1]))


def _user_of(settings: Settings, auth_id: str) -> int | None:
    """users.id of a log-in: the sign-up's trigger has made the row."""
    connection = sql_connection(settings)
    if connection is not None:
        with connection:
            row = connection.execute("select id from public.users where auth_id = %s", (auth_id,)).fetchone()
        return None if row is None else int(row[0])
    if settings.supabase_secret_key is None:
        raise ConfigError("SUPABASE_DB_URL or SUPABASE_SECRET_KEY is needed to find the account of a sign-up")
    rows = job_client(settings).table("users").select("id").eq("auth_id", auth_id).execute().data
    return int(rows[0]["id"]) if rows else None
