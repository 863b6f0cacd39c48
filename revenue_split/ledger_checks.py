"""`./run check-ledger`: runs every invariant of the books (ledger_checks.sql) in one snapshot and shows what breaks.

The queries look across all accounts, so they run over SQL (`SUPABASE_DB_URL`) alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from core.errors import ConfigError, StackError
from core.settings import load_settings
from supabase_conn import sql_connection

FILE = Path(__file__).with_name("ledger_checks.sql")
UNHEALTHY = 1
#: More rows than these say nothing new on a screen.
SHOWN_ROWS = 5


@dataclass(frozen=True, slots=True)
class Invariant:
    """`code` as in the design (I01 …), what must hold, and the query for the rows that break it."""

    code: str
    sentence: str
    query: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant and the rows that break it; none when all is well."""

    invariant: Invariant
    rows: list[dict[str, Any]]


def invariants(path: Path = FILE) -> list[Invariant]:
    """Every invariant in the file, in its order."""
    parts = re.split(r"^-- name: (I\d\d) (.+)$", path.read_text(), flags=re.MULTILINE)[1:]
    triples = zip(parts[0::3], parts[1::3], parts[2::3], strict=True)
    return [Invariant(code, sentence, query.strip().rstrip(";")) for code, sentence, query in triples]


def check(connection: psycopg.Connection) -> list[Finding]:
    """One finding an invariant, all from one snapshot, so that a posting in between breaks nothing."""
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute("set transaction isolation level repeatable read, read only")
        return [Finding(i, cursor.execute(i.query.encode()).fetchall()) for i in invariants()]


def table_of(findings: list[Finding]) -> Table:
    """The findings for a terminal, the broken ones with their first rows."""
    table = Table(show_edge=False, pad_edge=False)
    for title in ("", "holds", "invariant"):
        table.add_column(title, overflow="fold")
    for found in findings:
        state = "yes" if not found.rows else f"NO ({len(found.rows)})"
        table.add_row(found.invariant.code, state, found.invariant.sentence)
        for row in found.rows[:SHOWN_ROWS]:
            table.add_row("", "", ", ".join(f"{name} {value}" for name, value in row.items()))
    return table


def main(stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None) -> None:
    """Check every invariant of the books. Exit code 0 when all hold, 1 with the rows that break one.

    Needs SUPABASE_DB_URL (the local stack has it): the checks look across all accounts.
    """
    connection = sql_connection(load_settings(stack))
    if connection is None:
        raise ConfigError("check-ledger looks across all accounts and needs SUPABASE_DB_URL")
    with connection:
        try:
            findings = check(connection)
        except psycopg.errors.UndefinedTable as error:
            raise StackError("the database has no ledger yet: apply the migrations first") from error
        except psycopg.Error as error:
            raise StackError(f"the books could not be read: {str(error).splitlines()[0]}") from error
    Console(highlight=False).print(table_of(findings))
    broken = [found.invariant.code for found in findings if found.rows]
    if broken:
        typer.echo(f"the books are not in order: {', '.join(broken)}")
        raise typer.Exit(UNHEALTHY)
    typer.echo(f"the books are in order: {len(findings)} invariants hold")
