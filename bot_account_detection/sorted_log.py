"""The log sorted by account, video and day: what visits, errands and every viewer's share of a video are read from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from core.event_log import KIND, EventLog, Ints, SmallInts, bits_for, edges, order_of, partition, together
from core.timewindows import DAY_US, Window

KIND_BITS = 3
PAUSE = KIND["pause"]
_REPORT = 1 << KIND["report"]
_PRAISE = sum(1 << KIND[word] for word in ("like", "comment", "share", "follow"))


@dataclass(frozen=True, slots=True)
class Visits:
    """One entry an account and video, ordered by both: when first, how often (a like or comment after a view is the
    same visit), whether it was reported and whether it was praised there.
    """

    user: SmallInts
    video: SmallInts
    first_us: Ints
    visits: SmallInts
    reported: npt.NDArray[np.bool_]
    praised: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Acts:
    """Everything that a range of accounts did, pauses left out, ordered by account, video, day and kind. `day` counts
    the days of the window from 1; 0 is before it. `row` is the place in the log.
    """

    low: int
    high: int
    user: SmallInts
    video: SmallInts
    day: npt.NDArray[np.uint16]
    kind: npt.NDArray[np.uint8]
    row: Ints
    #: Where an account's acts on another video, or on another day of a video, begin.
    visit: Ints
    visit_day: Ints
    ts_us: Ints

    @cached_property
    def visits(self) -> Visits:
        """The visits of these accounts."""
        first = self.visit
        bits = np.bitwise_or.reduceat(np.left_shift(np.uint8(1), self.kind), first) if len(first) else self.kind
        views = _summed(self.kind == KIND["view"], first)
        return Visits(
            self.user[first],
            self.video[first],
            np.minimum.reduceat(self.ts_us, first) if len(first) else self.ts_us,
            np.maximum(views, 1),
            (bits & _REPORT) > 0,
            (bits & _PRAISE) > 0,
        )


def sorted_acts(log: EventLog, window: Window, *, threads: int) -> list[Acts]:
    """The log's acts, a range of accounts after the other. Days are those of `window`, whole UTC days from the
    midnight before it.
    """
    midnight = window.start_us // DAY_US * DAY_US
    days = (window.end_us - 1 - midnight) // DAY_US + 1
    bits = (bits_for(len(log.videos)), bits_for(days + 1))

    def sort(part: tuple[int, int, Ints]) -> Acts:
        low, high, rows = part
        kind = log.kind[rows]
        if (kind == PAUSE).any():
            rows = rows[kind != PAUSE]
            kind = kind[kind != PAUSE]
        ts_us = log.ts_us[rows]
        day = (ts_us - midnight) // DAY_US + 1
        day[ts_us < window.start_us] = 0
        video_bits, day_bits = bits
        key = (log.user[rows] - low).astype(np.int64)
        for column, width in ((log.video[rows], video_bits), (day, day_bits), (kind, KIND_BITS)):
            key <<= width
            key |= column
        key, order = order_of(key, bits_for(high - low) + video_bits + day_bits + KIND_BITS)
        kind = (key & (1 << KIND_BITS) - 1).astype(np.uint8)
        key >>= KIND_BITS
        visit_day = edges(key)
        days_in = (key & (1 << day_bits) - 1).astype(np.uint16)
        key >>= day_bits
        return Acts(
            low,
            high,
            user=((key >> video_bits) + low).astype(np.int32),
            video=(key & (1 << video_bits) - 1).astype(np.int32),
            day=days_in,
            kind=kind,
            row=rows[order],
            visit=edges(key),
            visit_day=visit_day,
            ts_us=ts_us[order],
        )

    return list(together(threads, sort, partition(log.user, len(log.users))))


def _summed(values: npt.NDArray[np.bool_], first: Ints) -> SmallInts:
    return np.add.reduceat(values, first, dtype=np.int32) if len(first) else np.zeros(0, np.int32)
