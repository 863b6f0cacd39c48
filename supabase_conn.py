"""The only importer of supabase: one function for each kind of connection.

- `user_client`: one for each portal session, made once and never shared, carries that user's log-in.
- `job_client`: the secret key, for jobs; it bypasses row-level security and never signs in.
- `sql_connection` and `bulk_connection`: straight to Postgres where `SUPABASE_DB_URL` is known, else None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import psycopg
from adbc_driver_manager import AdbcStatusCode
from adbc_driver_postgresql import dbapi as adbc
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client

from core.errors import ConfigError, FairshareError, StackError
from core.settings import Settings, is_secret_key

_TIMEOUT_S = 30


def _options() -> ClientOptions:
    # A server keeps no log-in file and refreshes when a request needs it, not from a thread of its own.
    return ClientOptions(
        auto_refresh_token=False,
        persist_session=False,
        httpx_client=httpx.Client(timeout=_TIMEOUT_S),
    )


def user_client(settings: Settings) -> Client:
    """A client with the publishable key, for one user's session alone."""
    if is_secret_key(settings.supabase_publishable_key):
        raise ConfigError("a secret key stands in the publishable slot; no user session is opened with it")
    return create_client(settings.supabase_url, settings.supabase_publishable_key, _options())


def job_client(settings: Settings) -> Client:
    """A client with the secret key, for jobs. Raises ConfigError when there is none."""
    if settings.supabase_secret_key is None:
        raise ConfigError("SUPABASE_SECRET_KEY is not set (legacy names: SUPABASE_SERVICE_ROLE_KEY, SUPABASE_SECRET)")
    return create_client(settings.supabase_url, settings.supabase_secret_key.get_secret_value(), _options())


@contextmanager
def waiting(client: Client, seconds: float) -> Iterator[None]:
    """Lets the client wait so long for an answer, for a call that works on much at once."""
    session = client.postgrest.session
    usual = session.timeout
    session.timeout = httpx.Timeout(_TIMEOUT_S, read=seconds, write=seconds)
    try:
        yield
    finally:
        session.timeout = usual


def sql_connection(settings: Settings) -> psycopg.Connection | None:
    """A psycopg connection, or None when `SUPABASE_DB_URL` is not known. Raises ConfigError when it does not answer."""
    if settings.supabase_db_url is None:
        return None
    try:
        # A transaction pooler (port 6543) hands each transaction another backend: no prepared statements.
        return psycopg.connect(
            settings.supabase_db_url.get_secret_value(), prepare_threshold=None, connect_timeout=_TIMEOUT_S
        )
    except psycopg.OperationalError as error:
        raise ConfigError(f"the database in SUPABASE_DB_URL does not answer: {_reason(error)}") from None


def bulk_connection(settings: Settings) -> adbc.Connection | None:
    """An ADBC connection (Arrow in and out), or None when `SUPABASE_DB_URL` is not known."""
    if settings.supabase_db_url is None:
        return None
    try:
        return adbc.connect(settings.supabase_db_url.get_secret_value())
    except adbc.Error as error:
        raise ConfigError(f"the database in SUPABASE_DB_URL does not answer: {_reason(error)}") from None


@contextmanager
def bulk_refusals(refusal: Callable[[str], FairshareError]) -> Iterator[None]:
    """Turns what an ADBC connection raises into `refusal(first line)`, and a canceled statement into Ctrl-C.

    The driver takes Ctrl-C for itself and cancels the statement; only the database's answer tells of it.
    """
    try:
        yield
    except adbc.Error as error:
        if error.status_code is AdbcStatusCode.CANCELLED and "timeout" not in str(error):
            raise KeyboardInterrupt from error
        raise refusal(_reason(error)) from error


def _unknown(code: str | None, message: str, details: str | None) -> None:
    return None


@contextmanager
def api_refusals(
    refusal: Callable[[str | None, str, str | None], FairshareError | None] = _unknown, *, what: str = ""
) -> Iterator[None]:
    """Turns what the data API answers into `refusal(code, message, details)`, or into StackError where that is None;
    `what` names what was asked for.
    """
    try:
        yield
    except APIError as error:
        known = refusal(error.code, error.message or "", error.details)
        if known is not None:
            raise known from error
        refused = f"refused {what}" if what else "refused"
        raise StackError(f"the data API {refused}: {error.message or error}") from error
    except httpx.HTTPError as error:
        silent = f"does not answer for {what}" if what else "does not answer"
        raise StackError(f"the data API {silent}: {error or type(error).__name__}") from error


def _reason(error: Exception) -> str:
    # The first line only: later ones may repeat the connection string.
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
