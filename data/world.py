"""A world: users, videos and events of one stretch of time, in the columns of the product, and what was
planted in it.

The tables are all that a scorer may read. Which accounts and events belong to an attack stands beside them,
in `attacks` and `event_attack`, and never in the tables.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.tables import EVENT_TYPES, EVENTS, USERS, VIDEOS

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
DAY_US = 24 * HOUR_US
TYPE_CODE = {name: code for code, name in enumerate(EVENT_TYPES)}
ROLES_SCHEMA = pa.schema([("user_id", pa.int64()), ("role", pa.string())])
TARGETS_SCHEMA = pa.schema([("video_id", pa.int64()), ("creator_id", pa.int64()), ("effect", pa.string())])


@dataclass(frozen=True)
class Attack:
    """What one attack adds to a world, and the labels that tell it apart afterwards.

    `users` and `videos` are new rows; `events` are new rows without an `event_id`. `roles` names every
    account that acts or profits, existing ones too; `targets` names the videos whose pay it is about,
    `effect` being `gain` or `harm`. `devices` counts the machines that the attacker needs.
    """

    name: str
    parameters: dict[str, float]
    users: pa.Table
    videos: pa.Table
    events: pa.Table
    roles: pa.Table
    targets: pa.Table
    devices: int


@dataclass(frozen=True)
class World:
    """Honest traffic with attacks merged in; events are sorted by time and numbered without gaps.

    `event_attack` has one int16 an event: 0 for honest ones, else 1 + the position in `attacks`. `taken`
    holds ids of accounts that already belong to an attack, so that no account serves two.
    """

    users: pa.Table
    videos: pa.Table
    events: pa.Table
    start_us: int
    end_us: int
    event_attack: np.ndarray
    attacks: tuple[Attack, ...] = ()
    taken: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    next_user_id: int = 0
    next_video_id: int = 0

    @classmethod
    def of(cls, users: pa.Table, videos: pa.Table, events: pa.Table, *, start_us: int, end_us: int) -> World:
        """A world of plain tables with nothing planted in it yet."""
        return cls(
            users=users,
            videos=videos,
            events=events,
            start_us=start_us,
            end_us=end_us,
            event_attack=np.zeros(events.num_rows, np.int16),
            next_user_id=1 + int(pc.max(users["id"]).as_py() or 0),
            next_video_id=1 + int(pc.max(videos["id"]).as_py() or 0),
        )

    def reserve(self, attack: Attack) -> World:
        """The same tables, with the ids that `attack` uses spoken for; `merge` brings its rows in."""
        return replace(
            self,
            attacks=(*self.attacks, attack),
            taken=np.concatenate([self.taken, attack.roles["user_id"].to_numpy()]),
            next_user_id=max(self.next_user_id, 1 + (pc.max(attack.users["id"]).as_py() or 0)),
            next_video_id=max(self.next_video_id, 1 + (pc.max(attack.videos["id"]).as_py() or 0)),
        )

    def merge(self, attack: Attack) -> World:
        """This world with one more attack in it."""
        return self.reserve(attack).with_reserved(len(self.attacks))

    def with_reserved(self, already: int) -> World:
        """Brings in the rows of all reserved attacks from position `already` on, in one sort."""
        new = self.attacks[already:]
        if not new:
            return self
        first_id = int(pc.min(self.events["event_id"]).as_py() or 1)
        events = pa.concat_tables([self.events, *(attack.events for attack in new)])
        labels = np.concatenate(
            [
                self.event_attack,
                *(np.full(a.events.num_rows, n, np.int16) for n, a in enumerate(new, already + 1)),
            ]
        )
        order = np.argsort(events["ts"].to_numpy().view("i8"), kind="stable")
        events = numbered(events.take(pa.array(order)), first_id)
        return replace(
            self,
            users=pa.concat_tables([self.users, *(a.users for a in new)]),
            videos=pa.concat_tables([self.videos, *(a.videos for a in new)]),
            events=events,
            event_attack=labels[order],
        )

    @cached_property
    def events_by_video(self) -> np.ndarray:
        """Events of every row of `videos`, int64."""
        ids = self.videos["id"].to_numpy()
        order = np.argsort(ids)
        at = np.searchsorted(ids[order], self.events["video_id"].to_numpy())
        counts = np.zeros(len(ids), np.int64)
        counts[order] = np.bincount(at, minlength=len(ids))
        return counts


def stream(seed: int, part: str) -> np.random.Generator:
    """The random numbers of one part of the data, so that a change in one part leaves the others as they
    were.
    """
    return np.random.default_rng([seed, zlib.crc32(part.encode())])


def hex_ids(rng: np.random.Generator, count: int) -> np.ndarray:
    """`count` opaque ids of 16 hexadecimal digits, like the hashes that a platform keeps of devices and
    addresses.
    """
    return np.frombuffer(rng.bytes(8 * count).hex().encode(), dtype="S16").astype(str)


def numbered(events: pa.Table, first_id: int) -> pa.Table:
    """`events` with ids from `first_id` on, in row order."""
    ids = pa.array(np.arange(first_id, first_id + events.num_rows, dtype=np.int64))
    return events.set_column(0, EVENTS.schema.field("event_id"), ids).combine_chunks()


def times(us: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Microseconds as an Arrow time column; null where `missing`."""
    return pa.array(us.astype(np.int64), mask=missing).cast(pa.timestamp("us", "UTC"))


def users_table(**columns: object) -> pa.Table:
    """A users table; columns that are not given are null."""
    return _table(USERS.schema, columns)


def videos_table(**columns: object) -> pa.Table:
    """A videos table; columns that are not given are null."""
    return _table(VIDEOS.schema, columns)


def events_table(
    *,
    video_id: np.ndarray,
    user_id: np.ndarray,
    code: np.ndarray,
    ts_us: np.ndarray,
    device_id: pa.Array,
    ip_hash: pa.Array,
) -> pa.Table:
    """An events table without ids from codes of `TYPE_CODE`, ids and microseconds."""
    words = pa.DictionaryArray.from_arrays(pa.array(code.astype(np.int8)), pa.array(EVENT_TYPES))
    return _table(
        EVENTS.schema,
        {
            "video_id": video_id.astype(np.int64),
            "user_id": user_id.astype(np.int64),
            "event_type": words.cast(pa.string()),
            "ts": times(ts_us),
            "device_id": device_id,
            "ip_hash": ip_hash,
        },
    )


def _table(schema: pa.Schema, columns: dict[str, object]) -> pa.Table:
    rows = max(len(column) for column in columns.values())  # type: ignore[arg-type]
    arrays = []
    for at in schema:
        column = columns.get(at.name)
        if column is None:
            arrays.append(pa.nulls(rows, at.type))
        elif isinstance(column, pa.Array | pa.ChunkedArray):
            arrays.append(column.cast(at.type))
        else:
            arrays.append(pa.array(column, at.type))
    return pa.Table.from_arrays(arrays, schema=schema)
