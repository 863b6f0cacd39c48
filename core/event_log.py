"""Events as columns of numbers in this process: what sorting needs that is faster here than any question to an engine.

Accounts, videos and creators are places in their sorted ids, in narrow numbers; 33 bytes an event.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt

from core.arrays import Hashes, Ints, SmallInts, places
from core.engine import batches
from core.tables import EVENT_TYPES

SQL = Path(__file__).with_name("event_log.sql")
KIND = {word: number for number, word in enumerate(EVENT_TYPES)}
BATCH_ROWS = 1 << 18
#: A time that is not known lies behind every event.
NEVER_US = 2**62


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
    device: Hashes
    address: Hashes


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
