"""The log sorted by account, video and day: what visits, errands and every viewer's share of a video are read from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from core.arrays import (
    ROWS_AT_ONCE,
    Hashes,
    Ints,
    SmallInts,
    bits_for,
    changes,
    in_threads,
    order_of,
    partition,
    ranges,
)
from core.event_log import KIND, EventLog, Names
from core.timewindows import DAY_US, Window

KIND_BITS = 3
PAUSE = KIND["pause"]
_REPORT = 1 << KIND["report"]
#: What a creator is praised by.
PRAISE = ("like", "comment", "share", "follow")
_PRAISED = sum(1 << KIND[word] for word in PRAISE)


@dataclass
class Acts:
    """Everything that the accounts from place `low` to `high` did, pauses left out, ordered by account, video, day and
    kind. `day` counts the days of the window from 1; 0 is before it.
    """

    low: int
    high: int
    user: SmallInts
    video: SmallInts
    day: npt.NDArray[np.uint16]
    kind: npt.NDArray[np.uint8]
    ts_us: Ints
    device: Hashes
    address: Hashes

    @cached_property
    def visit(self) -> SmallInts:
        """Where an account's acts on another video begin: a like or comment after a view is the same visit."""
        return changes(self.user, self.video).astype(np.int32)

    @cached_property
    def visits(self) -> SmallInts:
        """How often the account came, on each visit's video."""
        if not len(self.visit):
            return self.visit
        return np.maximum(np.add.reduceat(self.kind == KIND["view"], self.visit, dtype=np.int32), 1)

    @cached_property
    def reported_praised(self) -> npt.NDArray[np.bool_]:
        """Two rows: whether it was reported there, and whether it was praised."""
        bits = np.left_shift(np.uint8(1), self.kind)
        said = np.bitwise_or.reduceat(bits, self.visit) if len(self.visit) else bits
        return np.stack([(said & _REPORT) > 0, (said & _PRAISED) > 0])

    def forget(self, *names: str) -> None:
        """Lets go of columns that nobody asks for any more."""
        for name in names:
            self.__dict__.pop(name, None)

    def first_us(self) -> Ints:
        """When each visit began."""
        return np.minimum.reduceat(self.ts_us, self.visit) if len(self.visit) else self.ts_us

    def visit_days(self) -> Ints:
        """Where an account's acts on another video, or on another day, begin."""
        return changes(self.user, self.video, self.day)


@dataclass(frozen=True, slots=True)
class Pauses:
    """What players send by themselves, in no order."""

    user: SmallInts
    video: SmallInts
    ts_us: Ints


@dataclass(frozen=True, slots=True)
class SortedLog:
    """Acts, a range of accounts after the other, and pauses."""

    names: Names
    acts: list[Acts]
    pauses: Pauses


def sort_log(log: EventLog, window: Window, *, threads: int, at_once: int = ROWS_AT_ONCE) -> SortedLog:
    """The log sorted. Days are those of `window`, whole UTC days from the midnight before it."""
    midnight = window.start_us // DAY_US * DAY_US
    days = (window.end_us - 1 - midnight) // DAY_US + 1
    video_bits, day_bits = bits_for(len(log.names.videos)), bits_for(days + 1)

    def sort(part: tuple[int, int, Ints]) -> Acts:
        low, high, rows = part
        # What creators do on their own videos is never counted.
        rows = rows[(log.kind[rows] != PAUSE) & (log.names.owner_user[log.video[rows]] != log.user[rows])]
        kind, ts_us = log.kind[rows], log.ts_us[rows]
        day = (ts_us - midnight) // DAY_US + 1
        day[ts_us < window.start_us] = 0
        key = (log.user[rows] - low).astype(np.int64)
        for column, width in ((log.video[rows], video_bits), (day, day_bits), (kind, KIND_BITS)):
            key <<= width
            key |= column
        key, order = order_of(key, bits_for(high - low) + video_bits + day_bits + KIND_BITS)
        rows = rows[order]
        kind = (key & (1 << KIND_BITS) - 1).astype(np.uint8)
        key >>= KIND_BITS
        days_in = (key & (1 << day_bits) - 1).astype(np.uint16)
        key >>= day_bits
        return Acts(
            low,
            high,
            user=((key >> video_bits) + low).astype(np.int32),
            video=(key & (1 << video_bits) - 1).astype(np.int32),
            day=days_in,
            kind=kind,
            ts_us=ts_us[order],
            device=log.device[rows],
            address=log.address[rows],
        )

    borders = ranges(np.bincount(log.user, minlength=len(log.names.users)), at_once=at_once)
    parts = [(*edge, rows) for edge, rows in zip(pairwise(borders.tolist()), partition(log.user, borders), strict=True)]
    acts = list(in_threads(threads, sort, parts))
    paused = np.flatnonzero(log.kind == PAUSE)
    paused = paused[log.names.owner_user[log.video[paused]] != log.user[paused]]
    return SortedLog(log.names, acts, Pauses(log.user[paused], log.video[paused], log.ts_us[paused]))
