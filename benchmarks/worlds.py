"""A large event log in a moment, the same for a seed on every machine: for measurements, not for belief.

Popularity is heavy-tailed, a tenth of the devices is shared, some inputs are unknown. The believable simulator is
`data/`; this one makes five million rows in seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.tables import EVENT_TYPES, EVENTS, USERS, VIDEOS
from core.timewindows import Window, parse_utc

WEEK = Window(parse_utc("2026-11-01"), parse_utc("2026-11-08"))
DAY_US = 86_400 * 10**6
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


def world(events: int, *, seed: int = 1, window: Window = WEEK, with_unknown: bool = True) -> World:
    """A world of about `events / 20` viewers and `events / 250` videos; at least a few of each."""
    chance = np.random.default_rng(seed)
    users, videos = max(8, events // 20), max(4, events // 250)
    creators = max(2, videos // 20)
    owner = chance.integers(1, creators + 1, videos)
    made = window.start_us + chance.integers(-6 * DAY_US, window.end_us - window.start_us, videos)
    # Squeezing uniform numbers towards 0 makes few videos popular and many not.
    video = (videos * chance.random(events) ** 3).astype(np.int64)
    viewer = (users * chance.random(events) ** 1.5).astype(np.int64)
    moment = np.sort(window.start_us + (chance.random(events) * (window.end_us - window.start_us)).astype(np.int64))
    # People find a video after it is up: half of the events that came too early move behind the upload.
    late = (moment < made[video]) & (chance.random(events) < 0.5)
    moment = np.where(late, np.minimum(made[video] + (moment - window.start_us) // 50, window.end_us - 1), moment)
    kind = chance.choice(len(EVENT_TYPES), events, p=MIX)
    device = np.where(chance.random(users) < 0.1, chance.integers(0, users, users), np.arange(users))
    address = chance.integers(0, max(1, users // 3), users)
    return World(
        users=_table(
            USERS.schema,
            users,
            id=np.arange(1, users + 1),
            created_at=_maybe(chance, window.start_us - chance.integers(0, 900 * DAY_US, users), with_unknown),
            is_creator=np.arange(users) < creators,
            likely_bot=chance.random(users) < 0.02,
            kyc_level=_maybe(chance, chance.integers(0, 4, users), with_unknown),
            creator_trust_score=_maybe(chance, chance.integers(0, 1001, users) / 10, with_unknown),
            viewer_trust_score=_maybe(chance, chance.integers(0, 1001, users) / 10, with_unknown, share=0.7),
        ),
        videos=_table(
            VIDEOS.schema,
            videos,
            id=np.arange(1, videos + 1),
            creator_id=owner,
            created_at=_maybe(chance, made, with_unknown),
            duration_s=_maybe(chance, chance.integers(5, 241, videos).astype(float), with_unknown),
        ),
        events=_table(
            EVENTS.schema,
            events,
            event_id=np.arange(1, events + 1),
            video_id=video + 1,
            user_id=viewer + 1,
            event_type=_words(kind, np.array(EVENT_TYPES)),
            ts=moment,
            device_id=_names("d", device[viewer], users, with_unknown),
            ip_hash=_names("i", address[viewer], users, with_unknown),
        ),
    )


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
