"""Calls of the database's functions, and what it refuses as exceptions of our own: over SQL, or over the data API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

import supabase_conn
from core.errors import StackError
from core.settings import Settings
from revenue_split.errors import refusal
from supabase_conn import job_client, sql_connection

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn


#: How long an answer over the data API is waited for where a whole window is written at once.
PATIENCE_S = 120


def call(who: Settings | Client, function: str, *, patient: bool = False, **arguments: Any) -> Any:
    """Calls one function in a transaction of its own: as a job for settings, as the signed-in user for a client.
    `patient`: it writes a whole window, which takes longer than other calls.

    Over SQL where `SUPABASE_DB_URL` is known, else over the data API. Returns what it answers. Raises a MoneyRefused
    subclass for a refusal, StackError when the database or the API does not answer as it should.
    """
    if not isinstance(who, Settings):
        return _over_the_api(who, function, arguments, patient)
    connection = sql_connection(who)
    if connection is None:
        return _over_the_api(job_client(who), function, arguments, patient)
    with sql_refusals(), connection:
        named = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in arguments)
        query = sql.SQL("select public.{}({})").format(sql.Identifier(function), named)
        values = [json.dumps(value) if isinstance(value, dict | list) else value for value in arguments.values()]
        row = connection.execute(query, values).fetchone()
    return None if row is None else row[0]


def _over_the_api(client: Client, function: str, arguments: dict[str, Any], patient: bool) -> Any:
    with api_refusals(), supabase_conn.waiting(client, PATIENCE_S) if patient else nullcontext():
        return client.rpc(function, arguments).execute().data


@contextmanager
def sql_refusals() -> Iterator[None]:
    """Turns what psycopg raises into a refusal with its object, or StackError."""
    try:
        yield
    except psycopg.Error as error:
        known = refusal(error.sqlstate, error.diag.message_primary or "", error.diag.message_detail)
        if known is not None:
            raise known from error
        text = str(error).strip().splitlines()
        raise StackError(f"the database refused: {text[0] if text else type(error).__name__}") from error


def api_refusals() -> AbstractContextManager[None]:
    """Turns what the data API answers into a refusal with its object, or StackError."""
    return supabase_conn.api_refusals(refusal)
