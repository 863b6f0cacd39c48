"""Every failure that a user may cause or can mend is one of these: a single sentence, and the place it speaks of.

A command prints the sentence and ends with exit code 2; a page shows it. Anything else that is raised is a bug
and keeps its traceback.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar


class FairshareError(Exception):
    """Root of all errors whose text is written for the user."""

    exit_code = 2

    @property
    def sentence(self) -> str:
        """The one sentence to show."""
        return str(self)


class ConfigError(FairshareError):
    """A setting is missing, malformed or in the wrong slot."""


class StackError(FairshareError):
    """The local Supabase could not be started, reached or stopped."""


class Refused(FairshareError):
    """An action that is understood and not allowed; domain refusals derive from it and carry their object."""


class CodedRefusal(Refused):
    """A refusal of the database. `details` is the object that it speaks of."""

    #: SQLSTATE under which the database raises it.
    code: ClassVar[str] = ""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        self.details: dict[str, Any] = dict(details or {})
        super().__init__(message)


Coded = TypeVar("Coded", bound=CodedRefusal)


def refusal_below(root: type[Coded], code: str | None, message: str, detail: str | None) -> Coded | None:
    """The refusal that the database meant: the direct subclass of `root` with this code, its object read from the JSON
    of the detail. None for any other error.
    """
    kind = next((kind for kind in root.__subclasses__() if kind.code and kind.code == code), None)
    if kind is None:
        return None
    try:
        details = json.loads(detail or "{}")
    except ValueError:
        details = {"detail": detail}
    return kind(message, details if isinstance(details, dict) else {"detail": details})


class BadInput(FairshareError):
    """Input that can not be read or breaks a rule; names the place as closely as it is known.

    `row` counts data rows from 1 (a CSV's header is not counted).
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        column: str | None = None,
        row: int | None = None,
    ) -> None:
        self.message = message
        self.file = None if file is None else str(file)
        self.column = column
        self.row = row
        super().__init__(message)

    def __str__(self) -> str:
        place = [
            *([self.file] if self.file else []),
            *([f"column {self.column}"] if self.column else []),
            *([f"row {self.row}"] if self.row is not None else []),
        ]
        return f"{', '.join(place)}: {self.message}" if place else self.message
