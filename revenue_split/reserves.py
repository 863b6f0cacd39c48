"""`./run release-reserves`: reserves whose time has come become available, once, in short transactions.

Safe to run at any time and twice: what is not due stays, what is released is not released again. The database's clock
decides, in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from core.settings import Settings, load_settings
from revenue_split.calls import call

#: So many reserves a transaction: a stop in the middle loses at most the work of one.
BATCH = 500


@dataclass(frozen=True, slots=True)
class Released:
    """How many reserves became available, and their cents over all currencies together."""

    count: int
    cents: int


def release_due(settings: Settings, *, batch: int = BATCH) -> Released:
    """Releases every reserve that is due, with the rights of a job. What a creator owes is filled first.

    Raises StackError or ConfigError when the database does not answer; batches that were committed stay.
    """
    count = cents = 0
    while True:
        done = call(settings, "release_due_reserves", p_most=batch)
        count += int(done["released"])
        cents += int(done["cents"])
        if done["released"] < batch:
            return Released(count, cents)


def main(stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None) -> None:
    """Release the safety reserves whose time has come; meant for a timer, safe to run twice."""
    released = release_due(load_settings(stack))
    typer.echo(f"{released.count} reserves released, {released.cents} cents in all")
