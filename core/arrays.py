"""Sorting and counting with plain arrays: keys packed into one number, ranges that stay in the caches, threads.

numpy sorts plain numbers ten times as fast as it finds an order, and counts narrow numbers instead of comparing them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: Half as much memory for what a long log has most of: places are far smaller.
SmallInts = npt.NDArray[np.int32]
#: Of names that are only compared; 0 is an unknown one.
Hashes = npt.NDArray[np.uint64]
Part = TypeVar("Part")
Found = TypeVar("Found")

#: Rows that are sorted at a time: they stay in the caches, and leave room for many bits beside a row's number.
ROWS_AT_ONCE = 1 << 18
#: Ids up to so many times their number are looked up in a table of all of them.
DENSE = 4


def places(ids: Ints, wanted: Ints) -> SmallInts:
    """The place of each of `wanted` in the ascending `ids`, -1 where it is not there."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int32)
    top = int(ids[-1])
    if ids[0] >= 0 and top <= DENSE * len(ids) + (1 << 20):
        table = np.full(top + 2, -1, np.int32)
        table[ids] = np.arange(len(ids), dtype=np.int32)
        if len(wanted) and (wanted.min() < 0 or wanted.max() > top):
            # Whatever is no id at all looks at the last place, where nobody is.
            wanted = np.where((wanted < 0) | (wanted > top), top + 1, wanted)
        return table[wanted]
    at = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1).astype(np.int32)
    at[ids[at] != wanted] = -1
    return at


def ranges(sizes: Ints, *, at_once: int) -> Ints:
    """The edges of ranges of groups with `sizes` rows, about `at_once` in each; there is one at least, and none other
    is without groups.
    """
    if not len(sizes):
        return np.zeros(2, np.int64)
    below = np.concatenate([[0], np.cumsum(sizes)])
    wanted = np.linspace(0, below[-1], max(1, -(-int(below[-1]) // at_once)) + 1)[1:-1]
    return np.unique(np.concatenate([[0], np.searchsorted(below, wanted), [len(sizes)]]))


def partition(group: SmallInts, borders: Ints) -> list[Ints]:
    """The rows of each range of `group` between the `borders`, in their order."""
    count = len(borders) - 1
    of_group = np.repeat(np.arange(count, dtype=np.uint16), np.diff(borders))
    part = of_group[group]
    # Of numbers this narrow, numpy counts instead of comparing.
    rows = np.argsort(part, kind="stable")
    below = np.concatenate([[0], np.cumsum(np.bincount(part, minlength=count))])
    return [rows[low:high] for low, high in pairwise(below.tolist())]


def order_of(key: Ints, bits: int) -> tuple[Ints, Ints]:
    """`key` (0 to 2^bits - 1) in ascending order, and the row of each; equal ones in the order of their rows."""
    row_bits = max(1, (len(key) - 1).bit_length())
    if bits + row_bits <= 63:
        # A sort of plain numbers is ten times as fast as one that carries rows along.
        packed = (key << row_bits) | np.arange(len(key))
        packed.sort()
        return packed >> row_bits, packed & ((1 << row_bits) - 1)
    order = np.argsort(key, kind="stable")
    return key[order], order


def bits_for(count: int) -> int:
    """How many bits numbers from 0 to `count` - 1 take."""
    return max(1, (max(1, count) - 1).bit_length())


def edges(key: npt.NDArray[Any]) -> Ints:
    """Where equal numbers that follow one another begin."""
    return np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, np.int64)


def changes(*columns: npt.NDArray[np.generic]) -> Ints:
    """Where any of the columns is another than in the row before."""
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    other = np.ones(len(columns[0]), bool)
    other[1:] = columns[0][1:] != columns[0][:-1]
    for column in columns[1:]:
        other[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(other)


def rounded(values: Floats) -> Ints:
    """To whole numbers, halves upwards as every engine's round() does; of numbers from 0 on."""
    floor = np.floor(values)
    return (floor + (values - floor >= 0.5)).astype(np.int64)


def in_threads(threads: int, work: Callable[[Part], Found], parts: Sequence[Part]) -> Iterator[Found]:
    """`work` on every part, in their order, by so many threads: numpy lets go of the interpreter while it counts."""
    if threads < 2 or len(parts) < 2:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        yield from pool.map(work, parts)
