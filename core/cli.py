"""What every command shares: one-line errors with exit code 2, an interruption that says what to do, progress."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from core.errors import FairshareError

#: Progress and remarks go to standard error, so that standard output stays clean for results.
console = Console(stderr=True, highlight=False)
INTERRUPTED = 130


class Advance(Protocol):
    """Tells a progress bar that `steps` more are done, and what is being worked on."""

    def __call__(self, steps: int = 1, *, note: str | None = None) -> None: ...


def one_line(text: str) -> str:
    """Folds white space and spells out what does not print: an error stays one line, whatever it quotes."""
    folded = " ".join(text.split())
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in folded)


@contextmanager
def guarded() -> Iterator[None]:
    """Ends the program with one line: exit 2 for an error meant for the user, 130 when interrupted."""
    interrupts: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        interrupts.append(number)
        signal.default_int_handler(number, frame)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    except KeyboardInterrupt:
        _end_interrupted()
    except Exception as error:
        # Libraries that take Ctrl-C in their own code hand it on as an error of theirs, in words of their own.
        if interrupts:
            _end_interrupted()
        if not isinstance(error, FairshareError):
            raise
        print(f"error: {one_line(error.sentence)}", file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    finally:
        signal.signal(signal.SIGINT, before)


def _end_interrupted() -> NoReturn:
    print("interrupted: nothing is half-done; the same command goes on from here", file=sys.stderr)
    raise SystemExit(INTERRUPTED) from None


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
