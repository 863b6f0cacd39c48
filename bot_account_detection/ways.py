"""The steps that are done in one way where the rows are at hand and in another where they are not.

In process, sorted arrays beat hash tables tenfold; on many machines no array holds the rows, so the definitions in
SQL run as they stand. Both ways give the same answer (tests hold them together), and nobody else asks which it is.
"""

from __future__ import annotations

from typing import Protocol

from bot_account_detection.audiences import Visitors
from bot_account_detection.by_sorting import BySorting
from bot_account_detection.definitions import ByDefinition, Columns
from bot_account_detection.families import Ints
from bot_account_detection.thresholds import Thresholds
from core.engine import Engine, sorts_in_process
from core.timewindows import Window


class Ways(Protocol):
    """The steps of `viewer_weights` that depend on where the rows are. `threads` may work on their answers here."""

    threads: int

    def begin(self, window: Window, t: Thresholds) -> None:
        """Whatever the others need, from the relations `users`, `videos` and `events`."""

    def devices(self, t: Thresholds) -> Columns:
        """The columns of device.sql, in any order."""

    def together(self, t: Thresholds) -> Columns:
        """The columns of together.sql."""

    def circle(self, t: Thresholds) -> Columns:
        """The columns of circle.sql."""

    def lockstep_pairs(self, t: Thresholds) -> Columns:
        """The columns of lockstep.sql."""

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        """As `clusters.groups`."""

    def visitors(self, ids: Ints, t: Thresholds) -> tuple[list[Visitors], Ints]:
        """How every account of `ids`, in ascending order, came to every creator, a part of the accounts after the
        other, and the ids of the creators by number.
        """


def ways(con: Engine, *, to_explain: bool = True) -> Ways:
    """The ways of an engine. What is not `to_explain` is let go of as soon as nobody needs it."""
    if sorts_in_process(con):
        return BySorting(con, to_explain=to_explain)
    return ByDefinition(con)
