"""Rows of the books as plain data: over SQL where `SUPABASE_DB_URL` is known, else over the data API, page by key.

`who` decides the rights: Settings read as a job, a signed-in client as its user.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from core.settings import Settings
from revenue_split.calls import api_refusals, sql_refusals
from supabase_conn import job_client, sql_connection

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_PAGE_ROWS = 1000


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
