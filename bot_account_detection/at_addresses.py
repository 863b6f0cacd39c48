"""Who met at one address: the busy spots of a sorted log, and how many people were around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bot_account_detection.sorted_log import Acts, SortedLog
from core.arrays import Hashes, Ints, bits_for, changes, edges, in_threads

#: Odd numbers without a pattern, by which several numbers are mixed into one.
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
#: Addresses that are looked for are marked by this many of their bits.
_MARK_BITS = 20
Wanted = Callable[[Acts], tuple[Ints, Ints]]


@dataclass(frozen=True, slots=True)
class Spots:
    """Acts by place, one entry an account, video and block of time: places of account and video, and the block."""

    address: Hashes
    video: Ints
    block: Ints
    user: Ints


@dataclass(frozen=True, slots=True)
class Around:
    """How many accounts were around spots: at each address and block, on each block and video, in each block."""

    there: tuple[Hashes, Ints, Ints]
    hits: tuple[Ints, Ints, Ints]
    hours: tuple[Ints, Ints]


class Addresses:
    """The acts of `[since_us, until_us)` in blocks of `block_us`."""

    def __init__(self, log: SortedLog, since_us: int, until_us: int, *, block_us: int, threads: int) -> None:
        self._log, self._block_us, self._threads = log, block_us, threads
        self._first = since_us // block_us
        self._blocks = until_us // block_us - self._first + 1

    def busy(self, accounts: int) -> Spots:
        """The acts at spots with so many acts, once each; a few others may be among them."""
        sizes = [len(part.user) for part in self._log.acts]
        begin = np.concatenate([[0], np.cumsum(sizes)])
        width = np.uint64(bits_for(int(begin[-1])))
        spot = np.empty(int(begin[-1]), np.uint64)

        def mix(number: int) -> None:
            part = self._log.acts[number]
            place = part.video.astype(np.uint64) * np.uint64(self._blocks)
            place += self._block(part).astype(np.uint64)
            place *= _MIX[1]
            place ^= part.address * _MIX[0]
            # The low bits of a product are poor, and they make room for the number of the row.
            place >>= width
            place <<= width
            place |= np.arange(begin[number], begin[number + 1], dtype=np.uint64)
            spot[begin[number] : begin[number + 1]] = place

        list(in_threads(self._threads, mix, range(len(sizes))))
        spot.sort()
        top = spot >> width
        more = accounts - 1
        starts = np.flatnonzero(top[more:] == top[: max(0, len(top) - more)])
        del top
        marked = np.zeros(len(spot), bool)
        for step in range(more + 1):
            marked[starts + step] = True
        rows = np.sort((spot[marked] & ((np.uint64(1) << width) - np.uint64(1))).astype(np.int64))
        return self._spots(np.split(rows, np.searchsorted(rows, begin[1:-1])), begin)

    def around(self, address: Hashes, video: Ints, block: Ints) -> Around:
        """Around the spots that are given, in places and in blocks since 1970."""
        hour = block - self._first
        names = np.unique(address)
        marks = np.zeros(1 << _MARK_BITS, bool)
        marks[self._mark(names)] = True
        there = np.unique(np.searchsorted(names, address) * self._blocks + hour)
        hits = np.unique(video * self._blocks + hour)
        hours = np.unique(hour)
        on_hit = np.zeros(len(self._log.names.videos), bool)
        on_hit[video] = True

        def at_address(part: Acts) -> tuple[Ints, Ints]:
            rows = np.flatnonzero(marks[self._mark(part.address)])
            at = np.minimum(np.searchsorted(names, part.address[rows]), len(names) - 1)
            same = names[at] == part.address[rows]
            return rows[same], at[same] * self._blocks + self._block(part, rows[same])

        def on_video(part: Acts) -> tuple[Ints, Ints]:
            rows = np.flatnonzero(on_hit[part.video] & (part.address > 0))
            return rows, part.video[rows].astype(np.int64) * self._blocks + self._block(part, rows)

        def in_hour(part: Acts) -> tuple[Ints, Ints]:
            rows = np.flatnonzero(part.address > 0)
            return rows, self._block(part, rows)

        return Around(
            (names[there // self._blocks], there % self._blocks + self._first, self._people(there, at_address)),
            (hits // self._blocks, hits % self._blocks + self._first, self._people(hits, on_video)),
            (hours + self._first, self._people(hours, in_hour)),
        )

    def _people(self, wanted: Ints, of: Wanted) -> Ints:
        """How many different accounts there are at each of the ascending keys `wanted`."""
        if not len(wanted):
            return wanted

        def count(part: Acts) -> Ints:
            rows, key = of(part)
            at = np.minimum(np.searchsorted(wanted, key), len(wanted) - 1)
            same = wanted[at] == key
            width = bits_for(part.high - part.low)
            pair = np.sort((at[same] << width) | (part.user[rows[same]] - part.low))
            return np.bincount(pair[edges(pair)] >> width, minlength=len(wanted))

        # An account is in one part alone.
        return np.asarray(sum(in_threads(self._threads, count, self._log.acts), np.zeros(len(wanted), np.int64)))

    def _spots(self, rows: list[Ints], begin: Ints) -> Spots:
        found: list[tuple[Hashes, Ints, Ints, Ints]] = []
        for part, some, first in zip(self._log.acts, rows, begin.tolist(), strict=False):
            mine = some - first
            mine = mine[part.address[mine] > 0]
            video, user = (values[mine].astype(np.int64) for values in (part.video, part.user))
            block = self._block(part, mine) + self._first
            order = np.lexsort((part.address[mine], block, video, user))
            order = order[changes(part.address[mine][order], video[order], block[order], user[order])]
            found.append((part.address[mine][order], video[order], block[order], user[order]))
        return Spots(*(np.concatenate(columns) for columns in zip(*found, strict=True)))

    def _block(self, part: Acts, rows: Ints | slice = slice(None)) -> Ints:
        return part.ts_us[rows] // self._block_us - self._first

    @staticmethod
    def _mark(address: Hashes) -> Hashes:
        return address >> np.uint64(64 - _MARK_BITS)
