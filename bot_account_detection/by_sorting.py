"""The families' steps on sorted arrays in this process: the answers of their definitions in SQL, ten times as fast."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bot_account_detection import clusters, meetings
from bot_account_detection.audiences import Pairs, Visitors
from bot_account_detection.definitions import Columns, columns
from bot_account_detection.families import Bools, Ints
from bot_account_detection.sorted_log import PAUSE, Visits, sorted_acts
from bot_account_detection.thresholds import Thresholds
from core.event_log import (
    KIND,
    ROWS_AT_ONCE,
    EventLog,
    SmallInts,
    bits_for,
    edges,
    partition,
    places,
    read,
    rounded,
    together,
)
from core.timewindows import Window

_PRAISE = ("like", "comment", "share", "follow")
#: Odd numbers without a pattern, by which several numbers are mixed into one.
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


@dataclass(frozen=True, slots=True)
class _Lives:
    """By account: on how many videos it was, how rare they are in sum, and the least fingerprint among them."""

    videos: Ints
    rarity: Ints
    fingerprint: Ints


class BySorting:
    """In this process: the log comes here once and is sorted."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self.threads = int(_one(con, "select current_setting('threads')::bigint as n"))

    def begin(self, window: Window, t: Thresholds) -> None:
        self._since_us = max(0, window.start_us - t.lookback_us)
        self._until_us = window.end_us
        self.log = read(self._con, self._since_us, self._until_us)
        self.acts = sorted_acts(self.log, window, threads=self.threads)
        self._visits: list[Visits] = list(together(self.threads, lambda acts: acts.visits, self.acts))
        # By video: its visitors, and how rare it is in billionths, a hot one counting little.
        count = len(self.log.videos)
        self._visitors = sum((np.bincount(part.video, minlength=count) for part in self._visits), np.zeros(count, int))
        self._rarity = rounded(1e9 / np.maximum(self._visitors, 1))
        self._lives = self._lived()
        self._creator = np.zeros(len(self.log.users), bool)
        self._creator[places(self.log.users, self.log.creators)] = True
        # The longest step needs no engine, so it is done beside those that do.
        self._pairs = _beside(self.threads, lambda: self._lockstep_pairs(t))

    def devices(self, t: Thresholds) -> Columns:
        used = self._used_devices
        shared = np.ones(len(used.user), np.int64)
        known = used.device > 0
        _, of, accounts = np.unique(used.device[known], return_inverse=True, return_counts=True)
        shared[known] = accounts[of]
        return {"user_id": self.log.users[used.user], "accounts": shared, "acts": used.acts}

    def together(self, t: Thresholds) -> Columns:
        log, con = self.log, self._con
        busy = self._busy_rows(t)
        used = self._used_devices
        order = np.argsort(used.device, kind="stable")
        begin = edges(used.device[order])
        crowded = np.diff(begin, append=len(order)) > t.device_viewers
        crowded &= used.device[order][begin] > 0
        if not len(busy) and not crowded.any():
            return {name: np.zeros(0, kind) for name, kind in _TOGETHER.items()}
        of_crowd = order[np.repeat(crowded, np.diff(begin, append=len(order)))]
        self.register_acts()
        lived = np.flatnonzero(self._lives.videos)
        tables = {
            "used_devices": {"user_id": log.users[used.user[of_crowd]], "device_id": used.device[of_crowd]},
            "busy_acts": {
                "place": log.address[busy],
                "video_id": log.videos[log.video[busy]],
                "block": log.ts_us[busy] // t.together_block_us,
                "user_id": log.users[log.user[busy]],
            },
            "popular": {"video_id": log.videos, "rarity": self._rarity},
            "lives": {
                "user_id": log.users[lived],
                "videos": self._lives.videos[lived],
                "rarity": self._lives.rarity[lived],
            },
        }
        for name, table in tables.items():
            con.register(name, pa.table(table))
        found = columns(con, "together", t)
        for name in tables:
            con.unregister(name)
        return found

    def circle(self, t: Thresholds) -> Columns:
        log = self.log
        creators = len(log.creators)
        keys, visits, praised = [], [], []
        ordinary = np.zeros((2, creators), np.int64)
        for part in self._visits:
            own = self._creator[part.user]
            creator = log.owner[part.video]
            keys.append(part.user[own].astype(np.int64) * creators + creator[own])
            visits.append(part.visits[own])
            praised.append(part.praised[own])
            others = creator[~own]
            ordinary[0] += _sums(others, part.visits[~own], creators)
            ordinary[1] += np.bincount(others[part.praised[~own]], minlength=creators)
        pair, at = np.unique(np.concatenate(keys), return_inverse=True)
        visited = np.flatnonzero(ordinary[0])
        tables = {
            "lively": {
                "user_id": log.users[pair // max(1, creators)],
                "creator_id": log.creators[pair % max(1, creators)],
                "visits": _sums(at, np.concatenate(visits), len(pair)),
                "praised": _sums(at, np.concatenate(praised), len(pair)),
            },
            "ordinary": {
                "creator_id": log.creators[visited],
                "visits": ordinary[0][visited],
                "praised": ordinary[1][visited],
            },
        }
        for name, table in tables.items():
            self._con.register(name, pa.table(table))
        found = columns(self._con, "circle", t)
        for name in tables:
            self._con.unregister(name)
        return found

    def lockstep_pairs(self, t: Thresholds) -> Columns:
        return self._pairs()

    def _lockstep_pairs(self, t: Thresholds) -> Columns:
        lives = self._lives
        able = np.flatnonzero(lives.videos >= t.lockstep_videos)
        # Accounts with the same list of videos stand side by side; users are in the order of their ids.
        able = able[np.argsort(lives.fingerprint[able], kind="stable")]
        person = np.full(len(self.log.users), -1, np.int32)
        person[able] = np.arange(len(able), dtype=np.int32)
        videos, rarity, user = lives.videos[able], lives.rarity[able], self.log.users[able]
        parts = self._placed(person, len(able), t)
        rule = meetings.Rule(t.lockstep_neighbours, t.lockstep_gap_us, t.lockstep_close_us, t.lockstep_videos)
        p = meetings.pairs(parts, rule, people=len(able), threads=self.threads)
        met = sum((part.met(len(able)) for part in parts), np.zeros(len(able), np.int64))
        count = max(1, sum(len(part.spot) for part in parts))
        one, two = np.minimum(user[p.one], user[p.two]), np.maximum(user[p.one], user[p.two])
        order = np.lexsort((two, one))
        found = {
            "one": one,
            "two": two,
            "together": p.together,
            "close_together": p.close_together,
            "alike": p.rarity / (rarity[p.one] + rarity[p.two] - p.rarity),
            "by_chance": np.maximum(videos[p.one] * met[p.one], videos[p.two] * met[p.two]) / count,
        }
        return {name: column[order] for name, column in found.items()}

    def _placed(self, person: SmallInts, people: int, t: Thresholds) -> list[meetings.Visits]:
        """Who was on which video in which block of time, a range of the videos after the other."""
        video, user, first_us = (_joined(self._visits, name) for name in ("video", "user", "first_us"))
        first_block = self._since_us // t.lockstep_block_us
        block_bits = bits_for(self._until_us // t.lockstep_block_us - first_block + 1)
        rarity = self._rarity.astype(np.int32)

        def place(part: tuple[int, int, Ints]) -> meetings.Visits:
            low, _, rows = part
            who = person[user[rows]]
            if len(who) and who.min() < 0:
                rows = rows[who >= 0]
                who = who[who >= 0]
            when, what = first_us[rows], video[rows]
            spot = (what - low).astype(np.int64) << block_bits
            spot |= when // t.lockstep_block_us - first_block
            return meetings.Visits.ordered(spot, who, when, rarity[what], people=people)

        return list(together(self.threads, place, partition(video, len(self.log.videos))))

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        return clusters.groups(count, one, two)

    def visitors(self, ids: Ints, t: Thresholds) -> tuple[list[Visitors], Ints]:
        place = places(ids, self.log.users)

        def visit(part: Visits) -> Visitors:
            account = place[part.user]
            # Events may name accounts that are not in `users`.
            known = slice(None) if account.min(initial=0) >= 0 else account >= 0
            sitting = ((part.first_us - self._since_us) // t.sitting_us).astype(np.int32)
            return Visitors.of(
                Pairs.of(
                    account=account[known],
                    creator=self.log.owner[part.video[known]],
                    sitting=sitting[known],
                    visits=part.visits[known],
                    reported=part.reported[known],
                    praised=part.praised[known],
                ),
                t,
            )

        return list(together(self.threads, visit, self._visits)), self.log.creators

    def register_acts(self) -> None:
        """Makes the relation `acts` of `signals/acts.sql` from the log, for what is asked of few of them."""
        log = self.log
        rows = {
            "user_id": log.users[log.user],
            "video_id": log.videos[log.video],
            "creator_id": log.creators[log.owner[log.video]],
            "kind": log.kind,
            "ts_us": log.ts_us,
            "device": log.device,
            "address": log.address,
        }
        self._con.register("logged", pa.table(rows))
        praise = ", ".join(str(KIND[word]) for word in _PRAISE)
        self._con.execute(f"""
            create or replace temp view acts as
            select
                user_id, video_id, creator_id, ts_us, nullif(device, 0) as device_id, nullif(address, 0) as ip_hash,
                kind = {KIND["view"]} as is_view, kind = {KIND["report"]} as is_report, kind in ({praise}) as is_praise
            from logged
            where kind <> {PAUSE}
        """)  # noqa: S608  numbers of our own

    def _lived(self) -> _Lives:
        count = len(self.log.users)
        videos, rarity = np.zeros(count, np.int64), np.zeros(count, np.int64)
        least = np.zeros(count, np.int64)
        # A multiplicative generator: an order that has nothing to do with time or popularity, the same on every engine.
        prints = self.log.videos % 2147483647 * 48271 % 2147483647
        for part in self._visits:
            first = edges(part.user)
            if not len(first):
                continue
            who = part.user[first]
            videos[who] = np.diff(first, append=len(part.user))
            rarity[who] = np.add.reduceat(self._rarity[part.video], first)
            least[who] = np.minimum.reduceat(prints[part.video], first)
        return _Lives(videos, rarity, least)

    def _busy_rows(self, t: Thresholds) -> Ints:
        """The rows of acts at addresses, videos and hours with several acts; a few others may be among them."""
        log = self.log
        count = len(log.user)
        width = np.uint64(bits_for(count))
        first_hour = self._since_us // t.together_block_us
        hours = np.uint64(self._until_us // t.together_block_us - first_hour + 1)
        spot = np.empty(count, np.uint64)

        def mix(begin: int) -> None:
            rows = slice(begin, begin + ROWS_AT_ONCE)
            place = log.video[rows].astype(np.uint64) * hours
            place += (log.ts_us[rows] // t.together_block_us - first_hour).astype(np.uint64)
            place *= _MIX[1]
            place ^= log.address[rows] * _MIX[0]
            # The low bits of a product are poor, and they make room for the number of the row.
            place >>= width
            place <<= width
            place |= np.arange(begin, begin + len(place), dtype=np.uint64)
            spot[rows] = place

        list(together(self.threads, mix, range(0, count, ROWS_AT_ONCE)))
        spot.sort()
        top = spot >> width
        more = int(t.together_accounts) - 1
        begins = np.flatnonzero(top[more:] == top[: max(0, count - more)])
        busy = np.unique((begins[:, None] + np.arange(more + 1)).ravel())
        rows: Ints = (spot[busy] & ((np.uint64(1) << width) - np.uint64(1))).astype(np.int64)
        return np.asarray(rows[(log.address[rows] > 0) & (log.kind[rows] != PAUSE)])

    @property
    def _used_devices(self) -> _Used:
        if not hasattr(self, "_used"):
            self._used = _used(self.log)
        return self._used


@dataclass(frozen=True, slots=True)
class _Used:
    """One entry an account and device, 0 being all unknown ones: how many of its acts came from there."""

    user: Ints
    device: npt.NDArray[np.uint64]
    acts: Ints


def _used(log: EventLog) -> _Used:
    """Most accounts have one device, which a look tells; the acts of the others are sorted."""
    count = len(log.users)
    acts = log.kind != PAUSE
    unknown = acts & (log.device == 0)
    acts &= log.device > 0
    some = np.zeros(count, np.uint64)
    some[log.user[acts]] = log.device[acts]
    several = np.zeros(count, bool)
    several[log.user[acts & (log.device != some[log.user])]] = True
    nameless = np.bincount(log.user[unknown], minlength=count)
    named = np.bincount(log.user[acts], minlength=count)
    single = np.flatnonzero((named > 0) & ~several)
    rows = np.flatnonzero(acts & several[log.user]) if several.any() else np.zeros(0, np.int64)
    rows = rows[np.lexsort((log.device[rows], log.user[rows]))]
    user, device = log.user[rows], log.device[rows]
    begin = np.flatnonzero(np.concatenate([[True], (user[1:] != user[:-1]) | (device[1:] != device[:-1])])[: len(rows)])
    without = np.flatnonzero(nameless)
    return _Used(
        np.concatenate([single, user[begin], without]),
        np.concatenate([some[single], device[begin], np.zeros(len(without), np.uint64)]),
        np.concatenate([named[single], np.diff(begin, append=len(rows)), nameless[without]]),
    )


#: The columns of together.sql.
_TOGETHER = {"user_id": np.int64, "together": np.int64, "share": np.float64, "accounts": np.float64}


def _beside(threads: int, work: Callable[[], Columns]) -> Callable[[], Columns]:
    """Begins with `work` in a thread of its own if there may be more than one; the answer waits for it."""
    if threads < 2:
        return work
    pool = ThreadPoolExecutor(max_workers=1)
    found = pool.submit(work)
    pool.shutdown(wait=False)
    return found.result


def _sums(at: Ints | SmallInts, values: Ints | SmallInts | Bools, count: int) -> Ints:
    return np.bincount(at, values, count).astype(np.int64)


def _joined(parts: list[Visits], name: str) -> Any:
    return np.concatenate([getattr(part, name) for part in parts])


def _one(con: duckdb.DuckDBPyConnection, question: str) -> Any:
    return con.sql(question).to_arrow_table()["n"][0].as_py()
