"""What every command shares: one-line errors with exit code 2, an interruption that says what to do."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from core.errors import FairshareError

INTERRUPTED = 130


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
