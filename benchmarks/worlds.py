"""A large event log in a moment, the same for a seed on every machine: for measurements, not for belief.

Popularity is heavy-tailed, a tenth of the devices is shared, some inputs are unknown. The believable simulator is
`data/`; this one makes five million rows in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.tables import EVENT_TYPES, EVENTS, USERS, VIDEOS
from core.timewindows import DAY_US, Window, parse_utc

WEEK = Window(parse_utc("2026-11-01"), parse_utc("2026-11-08"))
EVENTS_AT_ONCE = 20_000_000
#: Views, likes, comments, shares, follows, reports, pauses.
MIX = (0.70, 0.15, 0.05, 0.03, 0.02, 0.01, 0.04)


@dataclass(frozen=True, slots=True)
class World:
    """Three tables as `core.tables` describes them."""

    users: pa.Table
    videos: pa.Table
    events: pa.Table

    def write(self, folder: Path) -> None:
        """users.parquet, videos.parquet and events.parquet."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in (("users", self.users), ("videos", self.videos), ("events", self.events)):
            pq.write_table(table, folder / f"{name}.parquet")


@dataclass(frozen=True, slots=True)
class _Acts:
    """One entry an event: indices of video, viewer and type, and when, in order."""

    video: np.ndarray
    viewer: np.ndarray
    kind: np.ndarray
    moment: np.ndarray


class _Maker:
    """Draws the people and videos of a world of `events` events, and then its log in as many pieces as one likes."""

    def __init__(self, events: int, *, seed: int, window: Window, with_unknown: bool) -> None:
        self._chance, self._window, self._unknown = np.random.default_rng(seed), window, with_unknown
        self._users, self._videos = max(8, events // 20), max(4, events // 250)
        self._creators = max(2, self._videos // 20)
        self._owner = self._chance.integers(1, self._creators + 1, self._videos)
        self._made = window.start_us + self._chance.integers(-6 * DAY_US, window.end_us - window.start_us, self._videos)
        self._written = 0

    def act(self, events: int, window: Window) -> _Acts:
        """So many events in a part of the world's window."""
        chance, made = self._chance, self._made
        # Squeezing uniform numbers towards 0 makes few videos popular and many not.
        video = (self._videos * chance.random(events) ** 3).astype(np.int64)
        viewer = (self._users * chance.random(events) ** 1.5).astype(np.int64)
        moment = np.sort(window.start_us + (chance.random(events) * (window.end_us - window.start_us)).astype(np.int64))
        # People find a video after it is up: half of the events that came too early move behind the upload.
        late = (moment < made[video]) & (chance.random(events) < 0.5)
        last = self._window.end_us - 1
        moment = np.where(late, np.minimum(made[video] + (moment - self._window.start_us) // 50, last), moment)
        return _Acts(video, viewer, chance.choice(len(EVENT_TYPES), events, p=MIX), moment)

    def settle(self) -> None:
        """Gives everybody a device and an address."""
        users, chance = self._users, self._chance
        self._device = np.where(chance.random(users) < 0.1, chance.integers(0, users, users), np.arange(users))
        self._address = chance.integers(0, max(1, users // 3), users)

    def users(self) -> pa.Table:
        """The people."""
        users, chance, unknown = self._users, self._chance, self._unknown
        return _table(
            USERS.schema,
            users,
            id=np.arange(1, users + 1),
            created_at=_maybe(chance, self._window.start_us - chance.integers(0, 900 * DAY_US, users), unknown),
            is_creator=np.arange(users) < self._creators,
            likely_bot=chance.random(users) < 0.02,
            kyc_level=_maybe(chance, chance.integers(0, 4, users), unknown),
            creator_trust_score=_maybe(chance, chance.integers(0, 1001, users) / 10, unknown),
            viewer_trust_score=_maybe(chance, chance.integers(0, 1001, users) / 10, unknown, share=0.7),
        )

    def videos(self) -> pa.Table:
        """What they see."""
        videos, chance, unknown = self._videos, self._chance, self._unknown
        return _table(
            VIDEOS.schema,
            videos,
            id=np.arange(1, videos + 1),
            creator_id=self._owner,
            created_at=_maybe(chance, self._made, unknown),
            duration_s=_maybe(chance, chance.integers(5, 241, videos).astype(float), unknown),
        )

    def events(self, acts: _Acts) -> pa.Table:
        """The log's rows."""
        count = len(acts.video)
        first = self._written + 1
        self._written += count
        return _table(
            EVENTS.schema,
            count,
            event_id=np.arange(first, first + count),
            video_id=acts.video + 1,
            user_id=acts.viewer + 1,
            event_type=_words(acts.kind, np.array(EVENT_TYPES)),
            ts=acts.moment,
            device_id=_names("d", self._device[acts.viewer], self._users, self._unknown),
            ip_hash=_names("i", self._address[acts.viewer], self._users, self._unknown),
        )


def world(events: int, *, seed: int = 1, window: Window = WEEK, with_unknown: bool = True) -> World:
    """A world of about `events / 20` viewers and `events / 250` videos; at least a few of each."""
    maker = _Maker(events, seed=seed, window=window, with_unknown=with_unknown)
    acts = maker.act(events, window)
    maker.settle()
    return World(maker.users(), maker.videos(), maker.events(acts))


def write_world(events: int, folder: Path, *, at_once: int = EVENTS_AT_ONCE) -> None:
    """`world(events).write(folder)`; a longer log than `at_once` is made a stretch of time after the other, so that it
    is never held as a whole, and is another one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pieces = max(1, -(-events // at_once))
    edges = [WEEK.start + (WEEK.end - WEEK.start) * number / pieces for number in range(pieces + 1)]
    maker = _Maker(events, seed=1, window=WEEK, with_unknown=True)
    sizes = np.diff(np.linspace(0, events, pieces + 1).astype(int)).tolist()
    acts = maker.act(sizes[0], Window(edges[0], edges[1]))
    maker.settle()
    pq.write_table(maker.users(), folder / "users.parquet")
    pq.write_table(maker.videos(), folder / "videos.parquet")
    with pq.ParquetWriter(folder / "events.parquet", EVENTS.schema) as file:
        file.write_table(maker.events(acts))
        for size, (start, end) in zip(sizes[1:], pairwise(edges[1:]), strict=True):
            file.write_table(maker.events(maker.act(size, Window(start, end))))


def _table(schema: pa.Schema, rows: int, **columns: object) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns.get(field.name)
        if values is None:
            arrays.append(pa.nulls(rows, field.type))
            continue
        array = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_timestamp(field.type):
            array = array.cast(pa.int64())
        arrays.append(array.cast(field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _maybe(chance: np.random.Generator, values: np.ndarray, unknown: bool, *, share: float = 0.05) -> pa.Array:
    """`values`, a part of them unknown."""
    drawn = chance.random(len(values)) < share
    return pa.array(values, mask=drawn & unknown)


def _words(index: np.ndarray, words: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(index.astype(np.int32)), pa.array(words)).cast(pa.string())


def _names(letter: str, index: np.ndarray, count: int, unknown: bool) -> pa.Array:
    """Opaque names of 16 letters; every 50th of them is unknown."""
    names = np.array([f"{letter}{i * 2654435761 % 2**60:015x}" for i in range(count)], dtype=object)
    if unknown:
        names[::50] = None
    return pa.array(names, pa.string()).take(pa.array(index))
