"""How the books are reached: one function call or one read, over SQL where `SUPABASE_DB_URL` is known, else over the
data API, with the database's refusals as classes of `revenue_split.errors`.

`who` decides the rights: Settings act as a job, a signed-in client as its user.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
from postgrest.exceptions import APIError
from psycopg import sql
from psycopg.types.json import Jsonb

from core.errors import StackError
from core.settings import Settings
from revenue_split.errors import refusal
from supabase_conn import job_client, sql_connection

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_PAGE_ROWS = 1000


def call(who: Settings | Client, function: str, **arguments: Any) -> Any:
    """What `public.function` answers. Raises a MoneyRefused subclass, ConfigError or StackError."""
    if not isinstance(who, Settings):
        return _call_api(who, function, arguments)
    connection = sql_connection(who)
    if connection is None:
        return _call_api(job_client(who), function, arguments)
    names = sql.SQL(", ").join(sql.SQL("{} => %s").format(sql.Identifier(name)) for name in arguments)
    query = sql.SQL("select {}({})").format(sql.Identifier("public", function), names)
    values = [Jsonb(value) if isinstance(value, dict | list) else value for value in arguments.values()]
    with connection, sql_refusals():
        row = connection.execute(query, values).fetchone()
    if row is None:
        raise StackError(f"{function} gave no answer")
    return row[0]


def read(
    who: Settings | Client,
    table: str,
    columns: Sequence[str],
    *,
    key: str,
    where: Mapping[str, Any] | None = None,
    latest: int | None = None,
) -> list[dict[str, Any]]:
    """Rows of a table or view as plain data, times as ISO text, in order of the unique `key`.

    `where` compares columns for equality. With `latest`, at most so many rows with the largest keys, the largest
    first. Raises ConfigError or StackError.
    """
    chosen = list(dict.fromkeys([*columns, key]))
    conditions = dict(where or {})
    if isinstance(who, Settings):
        connection = sql_connection(who)
        if connection is not None:
            with connection, sql_refusals():
                return _read_sql(connection, table, chosen, key, conditions, latest)
        who = job_client(who)
    return _read_api(who, table, chosen, key, conditions, latest)


def _call_api(client: Client, function: str, arguments: Mapping[str, Any]) -> Any:
    with api_refusals():
        return client.rpc(function, dict(arguments)).execute().data


def _read_sql(
    connection: psycopg.Connection,
    table: str,
    columns: list[str],
    key: str,
    where: dict[str, Any],
    latest: int | None,
) -> list[dict[str, Any]]:
    picked = sql.SQL(", ").join(map(sql.Identifier, columns))
    tests = [sql.SQL("{} = %s").format(sql.Identifier(name)) for name in where] or [sql.SQL("{}").format(True)]
    query = sql.SQL("select to_jsonb(t) from (select {} from {} where {} order by {} {} limit {}) t").format(
        picked,
        sql.Identifier("public", table),
        sql.SQL(" and ").join(tests),
        sql.Identifier(key),
        sql.SQL("asc" if latest is None else "desc"),
        sql.Literal(latest),
    )
    return [row[0] for row in connection.execute(query, list(where.values())).fetchall()]


def _read_api(
    client: Client, table: str, columns: list[str], key: str, where: dict[str, Any], latest: int | None
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while latest is None or len(found) < latest:
        size = _PAGE_ROWS if latest is None else min(_PAGE_ROWS, latest - len(found))
        query = client.table(table).select(",".join(columns))
        for name, value in where.items():
            query = query.eq(name, value)
        if found:
            last = found[-1][key]
            query = query.gt(key, last) if latest is None else query.lt(key, last)
        with api_refusals():
            page: Any = query.order(key, desc=latest is not None).limit(size).execute().data
        found.extend(page)
        # An empty page alone is the end: a server may give fewer rows than were asked for.
        if not page:
            break
    return found


# -- refusals -----------------------------------------------------------------------------------------------------


@contextmanager
def sql_refusals() -> Iterator[None]:
    """Turns what psycopg raises into refusals, or into a StackError with its first line."""
    try:
        yield
    except psycopg.Error as error:
        known = refusal(error.sqlstate, error.diag.message_primary or "", error.diag.message_detail)
        if known is not None:
            raise known from error
        text = str(error).strip().splitlines()
        raise StackError(f"the database refused: {text[0] if text else type(error).__name__}") from error


@contextmanager
def api_refusals() -> Iterator[None]:
    """Likewise for the data API."""
    try:
        yield
    except APIError as error:
        known = refusal(error.code, error.message or "", error.details)
        if known is not None:
            raise known from error
        raise StackError(f"the data API refused: {error.message or error}") from error
    except httpx.HTTPError as error:
        raise StackError(f"the data API does not answer: {error or type(error).__name__}") from error
