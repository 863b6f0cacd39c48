"""What a person at a terminal sees while a command works: remarks and progress.

Apart from `core.cli`, so that a command that shows neither does not wait for what draws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

#: Progress and remarks go to standard error, so that standard output stays clean for results.
console = Console(stderr=True, highlight=False)


class Advance(Protocol):
    """Tells a progress bar that `steps` more are done, and what is being worked on."""

    def __call__(self, steps: int = 1, *, note: str | None = None) -> None: ...


@contextmanager
def progress(description: str, total: float | None = None) -> Iterator[Advance]:
    """A progress bar on a terminal, one line at the end elsewhere.

    `total` is the number of steps, None where it is unknown.
    """
    if not console.is_terminal:
        yield lambda steps=1, *, note=None: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=total)

        def advance(steps: int = 1, *, note: str | None = None) -> None:
            bar.update(task, advance=steps, description=f"{description}: {note}" if note else description)

        yield advance
