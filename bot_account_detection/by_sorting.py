"""The families' steps on sorted arrays in this process: the answers of their definitions in SQL, ten times as fast."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from bot_account_detection import clusters, meetings
from bot_account_detection.at_addresses import Addresses
from bot_account_detection.audiences import Pairs, Visitors
from bot_account_detection.definitions import Columns, columns, definition
from bot_account_detection.families import Bools, Ints
from bot_account_detection.sorted_log import PRAISE, Acts, sort_log
from bot_account_detection.thresholds import Thresholds
from bot_account_detection.used_devices import UsedDevices, used_devices
from core.arrays import ROWS_AT_ONCE, SmallInts, bits_for, changes, edges, in_threads, places, ranges, rounded
from core.event_log import KIND, read
from core.lean import give_back
from core.timewindows import Window

#: The columns of together.sql.
_TOGETHER = {"user_id": np.int64, "together": np.int64, "share": np.float64, "accounts": np.float64}


@dataclass(frozen=True, slots=True)
class _Lives:
    """By account: on how many videos it was, how rare they are in sum, and the least fingerprint among them."""

    videos: Ints
    rarity: Ints
    fingerprint: Ints


class BySorting:
    """In this process: the log comes here once and is sorted."""

    def __init__(self, con: duckdb.DuckDBPyConnection, *, to_explain: bool = True) -> None:
        self._con, self._to_explain = con, to_explain
        threads = con.sql("select current_setting('threads')::bigint as n").to_arrow_table()
        self.threads = int(threads["n"][0].as_py())

    def begin(self, window: Window, t: Thresholds) -> None:
        self._since_us = max(0, window.start_us - t.lookback_us)
        self._until_us = window.end_us
        self.log = sort_log(read(self._con, self._since_us, self._until_us), window, threads=self.threads)
        self._names = self.log.names
        # By video: its visitors, and how rare it is in billionths, a hot one counting little.
        count = len(self._names.videos)
        self._visitors = np.zeros(count, np.int64)
        for visited in in_threads(self.threads, lambda acts: acts.video[acts.visit], self.log.acts):
            self._visitors += np.bincount(visited, minlength=count)
        self._rarity = rounded(1e9 / np.maximum(self._visitors, 1))
        self._lives = self._lived()
        # The longest step needs no engine, so it is done beside those that do.
        self._pairs = _beside(self.threads, lambda: self._lockstep_pairs(t))
        self._used = UsedDevices.joined(list(in_threads(self.threads, used_devices, self.log.acts)))

    def devices(self, t: Thresholds) -> Columns:
        used = self._used
        return {"user_id": self._names.users[used.user], "accounts": used.accounts(), "acts": used.acts}

    def together(self, t: Thresholds) -> Columns:
        names, con = self._names, self._con
        addresses = Addresses(
            self.log, self._since_us, self._until_us, block_us=int(t.together_block_us), threads=self.threads
        )
        busy = addresses.busy(int(t.together_accounts))
        crowd = self._crowded_acts(t)
        if not len(busy.user) and not len(crowd["user_id"]):
            return {name: np.zeros(0, kind) for name, kind in _TOGETHER.items()}
        lived = np.flatnonzero(self._lives.videos)
        tables = {
            "busy_acts": {
                "place": busy.address,
                "video_id": names.videos[busy.video],
                "block": busy.block,
                "user_id": names.users[busy.user],
            },
            "crowded_acts": crowd,
            "popular": {"video_id": names.videos, "rarity": self._rarity},
            "lives": {
                "user_id": names.users[lived],
                "videos": self._lives.videos[lived],
                "rarity": self._lives.rarity[lived],
            },
        }
        for name, table in tables.items():
            con.register(name, pa.table(table))
        con.execute(definition("gathered"), t.parameters("gathered"))
        spots = con.sql("select place, video_id, block from gathered").to_arrow_table()
        at = [spots[name].to_numpy() for name in spots.column_names]
        around = addresses.around(at[0], places(names.videos, at[1]).astype(np.int64), at[2])
        if not self._to_explain:
            for part in self.log.acts:
                part.forget("address")
        figures: dict[str, dict[str, Any]] = {
            "there": dict(zip(("place", "block", "accounts"), around.there, strict=True)),
            "hits": dict(zip(("video_id", "block", "accounts"), around.hits, strict=True)),
            "hours": dict(zip(("block", "accounts"), around.hours, strict=True)),
        }
        figures["hits"]["video_id"] = names.videos[around.hits[0]]
        for name, table in figures.items():
            con.register(name, pa.table(table))
        found = columns(con, "together", t)
        for name in (*tables, *figures):
            con.unregister(name)
        return found

    def circle(self, t: Thresholds) -> Columns:
        names = self._names
        creators = len(names.creators)
        is_creator = np.zeros(len(names.users) + 1, bool)
        # A creator who is no account is looked up past the end.
        is_creator[places(names.users, names.creators)] = True
        is_creator = is_creator[:-1]
        keys, visits, praised = [], [], []
        ordinary = np.zeros((2, creators), np.int64)
        for part in self.log.acts:
            own = is_creator[part.user[part.visit]]
            creator = names.owner[part.video[part.visit]]
            praise = part.reported_praised[1]
            keys.append(part.user[part.visit[own]].astype(np.int64) * creators + creator[own])
            visits.append(part.visits[own])
            praised.append(praise[own])
            others = creator[~own]
            ordinary[0] += _sums(others, part.visits[~own], creators)
            ordinary[1] += np.bincount(others[praise[~own]], minlength=creators)
        pair, at = np.unique(np.concatenate(keys), return_inverse=True)
        visited = np.flatnonzero(ordinary[0])
        tables = {
            "lively": {
                "user_id": names.users[pair // max(1, creators)],
                "creator_id": names.creators[pair % max(1, creators)],
                "visits": _sums(at, np.concatenate(visits), len(pair)),
                "praised": _sums(at, np.concatenate(praised), len(pair)),
            },
            "ordinary": {
                "creator_id": names.creators[visited],
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
        pairs, self._pairs = self._pairs, lambda: self._lockstep_pairs(t)
        # Whoever keeps the question keeps its answer.
        return pairs()

    def _lockstep_pairs(self, t: Thresholds) -> Columns:
        lives = self._lives
        able = np.flatnonzero(lives.videos >= t.lockstep_videos)
        # Accounts with the same list of videos stand side by side; users are in the order of their ids.
        able = able[np.argsort(lives.fingerprint[able], kind="stable")]
        person = np.full(len(self._names.users), -1, np.int32)
        person[able] = np.arange(len(able), dtype=np.int32)
        videos, rarity, user = lives.videos[able], lives.rarity[able], self._names.users[able]
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
        first_block = self._since_us // t.lockstep_block_us
        block_bits = bits_for(self._until_us // t.lockstep_block_us - first_block + 1)
        borders = ranges(self._visitors, at_once=ROWS_AT_ONCE)
        range_of = np.repeat(np.arange(len(borders) - 1, dtype=np.uint16), np.diff(borders))

        def spread(acts: Acts) -> tuple[SmallInts, SmallInts, Ints, Ints]:
            """The visits of a range of accounts by range of the videos: person, video, time, and where each begins."""
            who, what = person[acts.user[acts.visit]], acts.video[acts.visit]
            part = range_of[what]
            order = np.argsort(part, kind="stable")
            order = order[who[order] >= 0]
            begins = np.searchsorted(part[order], np.arange(len(borders)))
            return who[order], what[order], acts.first_us()[order], begins

        spreads = list(in_threads(self.threads, spread, self.log.acts))

        def place(number: int) -> meetings.Visits:
            mine = [(one, slice(one[3][number], one[3][number + 1])) for one in spreads]
            who, what, when = (np.concatenate([one[place][rows] for one, rows in mine]) for place in range(3))
            spot = (what - borders[number]).astype(np.int64) << block_bits
            spot |= when // t.lockstep_block_us - first_block
            return meetings.Visits.ordered(spot, who, when, self._rarity[what].astype(np.int32), people=people)

        return list(in_threads(self.threads, place, range(len(borders) - 1)))

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        return clusters.groups(count, one, two)

    def visitors(self, ids: Ints, t: Thresholds) -> tuple[list[Visitors], Ints]:
        place = places(ids, self._names.users)
        give_back()

        def visit(part: Acts) -> Visitors:
            account = place[part.user[part.visit]]
            # Events may name accounts that are not in `users`.
            known = slice(None) if account.min(initial=0) >= 0 else account >= 0
            sitting = ((part.first_us() - self._since_us) // t.sitting_us).astype(np.int32)
            reported, praised = part.reported_praised
            found = Visitors.of(
                Pairs.of(
                    account=account[known],
                    creator=self._names.owner[part.video[part.visit]][known],
                    sitting=sitting[known],
                    visits=part.visits[known],
                    reported=reported[known],
                    praised=praised[known],
                ),
                t,
            )
            # From here on nobody asks for visits.
            part.forget("visit", "visits", "reported_praised")
            return found

        found = list(in_threads(self.threads, visit, self.log.acts))
        give_back()
        return found, self._names.creators

    def register_acts(self) -> None:
        """Makes the relation `acts` of `signals/acts.sql`, for what is asked of few of them."""
        names = self._names
        tables = [
            pa.table(
                {
                    "user_id": names.users[part.user],
                    "video_id": names.videos[part.video],
                    "creator_id": names.creators[names.owner[part.video]],
                    "kind": part.kind,
                    "ts_us": part.ts_us,
                    "device": part.device,
                    "address": part.address,
                }
            )
            for part in self.log.acts
        ]
        self._con.register("logged", pa.concat_tables(tables))
        praise = ", ".join(str(KIND[word]) for word in PRAISE)
        self._con.execute(f"""
            create or replace temp view acts as
            select
                user_id, video_id, creator_id, ts_us, nullif(device, 0) as device_id, nullif(address, 0) as ip_hash,
                kind = {KIND["view"]} as is_view, kind = {KIND["report"]} as is_report, kind in ({praise}) as is_praise
            from logged
        """)  # noqa: S608  numbers of our own

    def unregister_acts(self) -> None:
        """Forgets the relation, which holds the log."""
        self._con.execute("drop view acts")
        self._con.unregister("logged")

    def _lived(self) -> _Lives:
        count = len(self._names.users)
        videos, rarity = np.zeros(count, np.int64), np.zeros(count, np.int64)
        least = np.zeros(count, np.int64)
        # A multiplicative generator: an order that has nothing to do with time or popularity, the same on every engine.
        prints = self._names.videos % 2147483647 * 48271 % 2147483647

        def live(part: Acts) -> None:
            user, video = part.user[part.visit], part.video[part.visit]
            first = edges(user)
            if len(first):
                who = user[first]
                videos[who] = np.diff(first, append=len(user))
                rarity[who] = np.add.reduceat(self._rarity[video], first)
                least[who] = np.minimum.reduceat(prints[video], first)

        list(in_threads(self.threads, live, self.log.acts))
        return _Lives(videos, rarity, least)

    def _crowded_acts(self, t: Thresholds) -> dict[str, Any]:
        """The columns of crowded_acts.sql."""
        crowded = np.unique(self._used.device[self._used.accounts() > t.device_viewers])
        found: list[tuple[SmallInts, SmallInts, Any]] = []
        if len(crowded):
            crowd = np.zeros(len(self._names.users), bool)
            crowd[self._used.user[np.isin(self._used.device, crowded)]] = True
            for part in self.log.acts:
                rows = np.flatnonzero(crowd[part.user])
                rows = rows[np.isin(part.device[rows], crowded)]
                order = rows[np.lexsort((part.device[rows], part.video[rows], part.user[rows]))]
                order = order[changes(part.user[order], part.video[order], part.device[order])]
                found.append((part.user[order], part.video[order], part.device[order]))
        user, video, device = (np.concatenate(some) for some in zip(*found, strict=True)) if found else _NOBODY
        return {"user_id": self._names.users[user], "video_id": self._names.videos[video], "place": device}


_NOBODY = (np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.uint64))


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
