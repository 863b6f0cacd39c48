"""Events as columns of numbers in this process: what sorting needs that is faster here than any question to an engine.

Accounts, videos and creators are places in their sorted ids, in narrow numbers; 33 bytes an event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt

from core.engine import batches
from core.tables import EVENT_TYPES

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
#: Half as much memory for what a long log has most of: places are far smaller.
SmallInts = npt.NDArray[np.int32]
Part = TypeVar("Part")
Found = TypeVar("Found")

SQL = Path(__file__).with_name("event_log.sql")
KIND = {word: number for number, word in enumerate(EVENT_TYPES)}
#: Rows that are sorted at a time: they stay in the caches, and leave room for many bits beside a row's number.
ROWS_AT_ONCE = 1 << 18
BATCH_ROWS = 1 << 18
#: A time that is not known lies behind every event.
NEVER_US = 2**62
#: Ids up to so many times their number are looked up in a table of all of them.
DENSE = 4


@dataclass(frozen=True, slots=True)
class Names:
    """Whom a log is about: the ids of accounts, videos and creators in ascending order, the place of each video's
    creator among the creators, and among the accounts, -1 where it is none.
    """

    users: Ints
    videos: Ints
    creators: Ints
    owner: SmallInts
    owner_user: SmallInts


@dataclass(frozen=True, slots=True)
class EventLog:
    """One entry an event, in no order: the places of account and video in `names` and of the kind in EVENT_TYPES;
    `device` and `address` are hashes, 0 is unknown.
    """

    names: Names
    user: SmallInts
    video: SmallInts
    kind: npt.NDArray[np.uint8]
    ts_us: Ints
    device: npt.NDArray[np.uint64]
    address: npt.NDArray[np.uint64]


def read(con: duckdb.DuckDBPyConnection, since_us: int, until_us: int) -> EventLog:
    """The events of `[since_us, until_us)` from the relations `users`, `videos` and `events` in `con`.

    Accounts that only events name are in `users`, too. Events on videos that are not there are left out.
    """
    columns = _columns(con, since_us, until_us)
    videos = con.sql("select id, creator_id from videos order by id").to_arrow_table()
    ids, creator_id = (videos[name].to_numpy() for name in ("id", "creator_id"))
    users = con.sql("select id from users order by id").to_arrow_table()["id"].to_numpy()
    video = places(ids, columns.pop("video_id"))
    user_id = columns.pop("user_id")
    user = places(users, user_id)
    if len(user) and user.min() < 0:
        users = np.union1d(users, user_id[user < 0])
        user = places(users, user_id)
    del user_id
    columns |= {"user": user, "video": video}
    if len(video) and video.min() < 0:
        there = video >= 0
        for name in list(columns):
            columns[name] = columns[name][there]
    creators, owner = np.unique(creator_id, return_inverse=True)
    return EventLog(names=Names(users, ids, creators, owner.astype(np.int32), places(users, creator_id)), **columns)


def _columns(con: duckdb.DuckDBPyConnection, since_us: int, until_us: int) -> dict[str, np.ndarray]:
    span = {"since_us": since_us, "until_us": until_us}
    where = "from events where ts >= make_timestamptz($since_us) and ts < make_timestamptz($until_us)"
    rows = int(con.sql(f"select count(*) as rows {where}", params=span).to_arrow_table()["rows"][0].as_py())
    kinds = {"user_id": np.int64, "video_id": np.int64, "kind": np.uint8, "ts_us": np.int64}
    kinds |= {"device": np.uint64, "address": np.uint64}
    columns = {name: np.empty(rows, kind) for name, kind in kinds.items()}
    filled = 0
    # Batch by batch, so that a long log is never held twice.
    asked = con.sql(SQL.read_text(encoding="utf-8"), params=span | {"kinds": list(EVENT_TYPES)})
    for batch in batches(asked, BATCH_ROWS):
        for name, column in columns.items():
            column[filled : filled + batch.num_rows] = batch.column(name).to_numpy(zero_copy_only=False)
        filled += batch.num_rows
    # What was never filled is no event, whatever the log did between the two questions.
    return {name: column[:filled] for name, column in columns.items()}


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


def rounded(values: Floats) -> Ints:
    """To whole numbers, halves upwards as every engine's round() does; of numbers from 0 on."""
    floor = np.floor(values)
    return (floor + (values - floor >= 0.5)).astype(np.int64)


def together(threads: int, work: Callable[[Part], Found], parts: Sequence[Part]) -> Iterator[Found]:
    """`work` on every part, in their order, by so many threads: numpy lets go of the interpreter while it counts."""
    if threads < 2 or len(parts) < 2:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        yield from pool.map(work, parts)
