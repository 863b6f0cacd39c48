"""Whole tables through the data API, which answers at most `max_rows` rows at a time (1000 as delivered).

A page that is shorter than asked for is no sign of the end: the server's limit may be lower than ours. Only an empty
page ends a reading, and each page begins after the last key of the one before, so that nothing is read twice or left
out however the table grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from core.timewindows import Window
from supabase_conn import api_refusals

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

PAGE_ROWS = 1000
BATCH_ROWS = 500


class Pages:
    """Reads and writes with one client. Raises StackError with one sentence when the API refuses or is silent."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def table(
        self,
        name: str,
        schema: pa.Schema,
        *,
        key: str,
        time: tuple[str, Window] | None = None,
        until: tuple[str, datetime] | None = None,
        model: str | None = None,
    ) -> pa.Table:
        """All rows, ordered by the unique `key`, with the columns of `schema`; `time` and `until` filter."""
        batches: list[pa.Table] = []
        last: int | None = None
        while True:
            query = self._client.table(name).select(", ".join(schema.names))
            if last is not None:
                query = query.gt(key, last)
            if time is not None:
                column, window = time
                query = query.gte(column, window.start.isoformat()).lt(column, window.end.isoformat())
            if until is not None:
                query = query.lte(until[0], until[1].isoformat())
            if model is not None:
                query = query.eq("model", model)
            with api_refusals(what=name):
                rows: Any = query.order(key).limit(PAGE_ROWS).execute().data
            if not rows:
                return pa.concat_tables(batches) if batches else schema.empty_table()
            last = rows[-1][key]
            batches.append(_arrow(rows, schema))

    def few(self, name: str, columns: str, *, model: str, order: str) -> list[dict[str, Any]]:
        """All rows of a small table, by offset; rows that are written meanwhile may be missed."""
        found: list[dict[str, Any]] = []
        while True:
            query = self._client.table(name).select(columns).eq("model", model).order(order)
            with api_refusals(what=name):
                rows: Any = query.range(len(found), len(found) + PAGE_ROWS - 1).execute().data
            if not rows:
                return found
            found.extend(rows)

    def extreme(self, name: str, column: str, *, largest: bool) -> str | None:
        """The smallest or largest value of a column, as text."""
        with api_refusals(what=name):
            rows: Any = self._client.table(name).select(column).order(column, desc=largest).limit(1).execute().data
        return str(rows[0][column]) if rows else None

    def upsert(self, name: str, rows: Sequence[Mapping[str, Any]], *, key: Sequence[str]) -> None:
        """Inserts or replaces by the unique `key`, in batches."""
        for start in range(0, len(rows), BATCH_ROWS):
            batch: Any = list(rows[start : start + BATCH_ROWS])
            with api_refusals(what=name):
                self._client.table(name).upsert(batch, on_conflict=",".join(key)).execute()

    def delete(self, name: str, **equal: str) -> None:
        """Deletes the rows in which every named column has this value."""
        query = self._client.table(name).delete()
        for column, value in equal.items():
            query = query.eq(column, value)
        with api_refusals(what=name):
            query.execute()

    def call(self, function: str, arguments: dict[str, Any]) -> None:
        """Calls a database function."""
        with api_refusals(what=function):
            self._client.rpc(function, arguments).execute()


def _arrow(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """JSON rows as `schema`; times arrive as text with an offset, whole numbers as any kind of number."""
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        array = pa.array(values, pa.string()) if pa.types.is_timestamp(field.type) else pa.array(values, field.type)
        columns.append(array.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)
