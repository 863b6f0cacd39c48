"""The window's events with the weight of each viewer, on sorted arrays: what `signals/weighted_events.sql` and
`signals/weighted_audience.sql` say, without a hash table of every viewer of every video.

Weights are whole billionths and parts whole thousandths, so that every sum is exact whatever its order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bot_account_detection.sorted_log import KIND_BITS, PAUSE, Acts, SortedLog
from bot_account_detection.viewer_trust import Accounts
from core.arrays import Floats, Ints, SmallInts, bits_for, edges, in_threads, order_of, places, rounded
from core.event_log import KIND, Names
from core.timewindows import DAY_US, Window

Bools = npt.NDArray[np.bool_]
NANO, FEMTO, WHOLE = 10**9, 10**15, 1000
#: Which of the accounts' shares to look at, by account and thousandths.
Keep = Callable[[SmallInts, Ints | npt.NDArray[np.uint16]], Bools]
VIEW, LIKE, COMMENT, REPORT = (1 << KIND[word] for word in ("view", "like", "comment", "report"))
#: Beside the kinds: a view within the first hours of the video.
EARLY = 1 << 7
#: Whole numbers up to here are exact as floats, and so are their sums.
EXACT = 2.0**53
LOW_BITS = 26
_LIMB = (1 << LOW_BITS) - 1
COUNTS = {
    "views": "view", "likes": "like", "comments": "comment", "shares": "share", "follows": "follow",
    "reports": "report", "pauses": "pause",
}  # fmt: skip
#: Who each sum of weights is taken over.
SUMS = {"viewer_nano": VIEW, "liker_nano": LIKE, "commenter_nano": COMMENT, "early_nano": EARLY}


@dataclass(frozen=True, slots=True)
class Viewers:
    """What is known of each account of the log, in its order: weights in billionths, and with whom it votes, by the
    place of one of them. `pair` are the accounts and creators between whom less counts, as one number of their places,
    in ascending order, with what is left in `thousandths`.
    """

    weight_nano: Ints
    report_nano: Ints
    voter: SmallInts
    pair: Ints
    thousandths: Ints

    @classmethod
    def of(cls, names: Names, weights: pa.Table, discounts: pa.Table) -> Viewers:
        """From `weights` (user_id, weight, cluster_id, report_weight, cleared) and `discounts` (user_id, creator_id,
        thousandths). An account without a weight is unknown and counts in full.
        """
        at = places(names.users, weights["user_id"].to_numpy())
        ids = names.users
        weight, report = np.full(len(ids), NANO), np.full(len(ids), NANO)
        weight[at], report[at] = (rounded(weights[name].to_numpy() * NANO) for name in ("weight", "report_weight"))
        voter = np.arange(len(ids), dtype=np.int32)
        clustered = weights["cluster_id"].is_valid().to_numpy(zero_copy_only=False)
        voter[at[clustered]] = places(ids, weights["cluster_id"].drop_null().to_numpy())
        cleared = np.zeros(len(ids), bool)
        cleared[at] = weights["cleared"].to_numpy(zero_copy_only=False)
        user = places(ids, discounts["user_id"].to_numpy())
        creator = places(names.creators, discounts["creator_id"].to_numpy())
        kept = ~cleared[user]
        pair = user[kept].astype(np.int64) * len(names.creators) + creator[kept]
        order = np.argsort(pair)
        return cls(weight, report, voter, pair[order], discounts["thousandths"].to_numpy()[kept][order])


@dataclass(frozen=True, slots=True)
class Shares:
    """What a range of accounts did, one entry an account, video and day of the window: the kinds of what was done as
    bits, the units, the part of them that counts, and the account's weight there. `size` is how many of `acts` it is.
    """

    acts: Acts
    size: SmallInts
    user: SmallInts
    video: SmallInts
    day: npt.NDArray[np.uint16]
    bits: npt.NDArray[np.uint8]
    units: SmallInts
    thousandths: npt.NDArray[np.uint16]
    weight_nano: SmallInts
    reported_it: Bools

    def of_acts(self) -> tuple[Ints, Ints]:
        """The places in `acts` of what belongs to the window, and the share of each."""
        return np.flatnonzero(self.acts.day > 0), np.repeat(np.arange(len(self.size)), self.size)

    def video_day(self, videos: int, some: Ints | slice = slice(None)) -> Ints:
        """The video on its day, `day * videos + video`."""
        return (self.day[some].astype(np.int64) - 1) * videos + self.video[some]


class Totals:
    """Exact sums by cell, to which several threads add. A sum is kept in limbs of LOW_BITS bits."""

    def __init__(self, cells: int) -> None:
        self._cells, self._lock = cells, Lock()
        self._limbs: dict[tuple[str, int], Ints] = {}

    def add(self, name: str, cell: Ints, values: Ints | None = None, *, limb: int = 0) -> None:
        """Adds `values` (ones by default), from 0 on, in `cell`; times 2^LOW_BITS for each `limb`."""
        if values is None or values.sum(dtype=np.float64) < EXACT:
            self._put(name, limb, np.bincount(cell, values, self._cells))
            return
        self._put(name, limb, np.bincount(cell, values & _LIMB, self._cells))
        self.add(name, cell, values >> LOW_BITS, limb=limb + 1)

    def add_product(self, name: str, cell: Ints, one: Ints, two: Ints) -> None:
        """Adds `one * two`, of which `one` has twice LOW_BITS bits at most and `two` thirty."""
        self.add(name, cell, (one & _LIMB) * two)
        self.add(name, cell, (one >> LOW_BITS) * two, limb=1)

    def whole(self, name: str) -> Ints:
        """A sum, which has to fit into 63 bits."""
        low, middle, high = self._carried(name)
        return (((high << LOW_BITS) + middle) << LOW_BITS) + low

    def as_float(self, name: str) -> Floats:
        """Each sum as a float, as engines make one of 128 bits: the upper and the lower half of the bits, added."""
        low, middle, high = self._carried(name)
        left = 64 - 2 * LOW_BITS
        lower = ((high & (1 << left) - 1).astype(np.uint64) << np.uint64(2 * LOW_BITS)) | (
            (middle << LOW_BITS) + low
        ).astype(np.uint64)
        return lower.astype(np.float64) + (high >> left).astype(np.float64) * 2.0**64

    def _carried(self, name: str) -> tuple[Ints, Ints, Ints]:
        """The lowest two limbs with LOW_BITS bits each, and what is above."""
        nothing = np.zeros(self._cells, np.int64)
        low, middle, high, top = (self._limbs.get((name, limb), nothing) for limb in range(4))
        middle = middle + (low >> LOW_BITS)
        return low & _LIMB, middle & _LIMB, high + (top << LOW_BITS) + (middle >> LOW_BITS)

    def _put(self, name: str, limb: int, more: npt.NDArray[np.generic]) -> None:
        found = more.astype(np.int64, copy=False)
        with self._lock:
            if (name, limb) in self._limbs:
                self._limbs[name, limb] += found
            else:
                self._limbs[name, limb] = found


class WeighedLog:
    """The log with weights on it. `units` are those of each kind, `early_us` is how long a video is new; `created_us`
    by video, core.event_log.NEVER_US where it is unknown.
    """

    def __init__(
        self,
        log: SortedLog,
        window: Window,
        *,
        viewers: Viewers,
        created_us: Ints,
        early_us: int,
        units: dict[str, int],
        threads: int,
    ) -> None:
        self.names, self.viewers, self.threads = log.names, viewers, threads
        midnight = window.start_us // DAY_US * DAY_US
        self._created_us, self._early_us = created_us, early_us
        self._units = np.array([units.get(word, 0) for word in KIND], np.uint8)
        self.videos = max(1, len(log.names.videos))
        days = int((window.end_us - 1 - midnight) // DAY_US + 1)
        # Accounts of which less counts somewhere.
        self._less = np.zeros(len(log.names.users), bool)
        self._less[viewers.pair // max(1, len(log.names.creators))] = True
        self.shares = list(in_threads(threads, self._shared, log.acts))
        pauses = np.flatnonzero(log.pauses.ts_us >= window.start_us)
        self._paused = log.pauses.user[pauses], log.pauses.video[pauses]
        paused = (log.pauses.ts_us[pauses] - midnight) // DAY_US * self.videos + self._paused[1]
        there = np.zeros(days * self.videos, bool)
        there[paused] = True
        for part in self.shares:
            there[part.video_day(self.videos)] = True
        # Most videos have no event on most days: a cell is one that has, in the order of day and video.
        self.video_day = np.flatnonzero(there)
        self._cell = np.cumsum(there, dtype=np.int32) - np.int32(1)
        self._paused_cell = self._cell[paused].astype(np.int64)
        self.cells = len(self.video_day)

    def users(self) -> Ints:
        """The ids of the accounts that did anything in the window, in ascending order."""
        seen = np.zeros(len(self.names.users), bool)
        seen[self._paused[0]] = True
        for part in self.shares:
            seen[part.user] = True
        return self.names.users[seen]

    def given(self) -> tuple[Ints, Ints]:
        """The accounts that gave any units, and how many in all, in thousandths."""
        units = np.zeros(len(self.names.users), np.int64)
        for part in self.shares:
            first = edges(part.user)
            if len(first):
                given = part.units.astype(np.int64) * part.thousandths
                units[part.user[first]] = np.add.reduceat(given, first)
        some = np.flatnonzero(units)
        return some, units[some]

    def audience(self, rate_femto: Ints, keep: Keep | None = None) -> pa.Table:
        """The columns of weighted_audience.sql, of the shares to `keep` alone; `rate_femto` by account. The budget is
        a float, for no whole number of 64 bits holds it.
        """
        totals, acts = Totals(self.cells), Totals(self.cells << KIND_BITS)
        list(in_threads(self.threads, lambda part: self._count(part, rate_femto, keep, totals, acts), self.shares))
        user, video = self._paused
        kept = np.ones(len(user), bool) if keep is None else keep(user, self._thousandths(user, video))
        acts.add("acts", (self._paused_cell[kept] << KIND_BITS) | PAUSE)
        of_kind = acts.whole("acts").reshape(self.cells, 1 << KIND_BITS)
        there = np.flatnonzero(of_kind.any(axis=1))
        table = {name: of_kind[there, KIND[word]] for name, word in COUNTS.items()}
        table |= {name: totals.whole(name)[there] for name in ("viewers", "unit_nano", *SUMS)}
        table["budget_femto"] = totals.as_float("budget_femto")[there]
        return pa.table({"video_day": self.video_day[there], **table})

    def trust(self, accounts: Accounts, as_of_us: Ints, keep: Keep | None = None) -> pa.Table:
        """The columns of weighted_trust.sql, sums of trust as floats; `accounts` are those of the log, `as_of_us` has
        an entry a day.
        """
        totals = Totals(self.cells)
        reports = list(
            in_threads(self.threads, lambda part: self._vouched(part, accounts, as_of_us, keep, totals), self.shares)
        )
        cell, voter, weight = (np.concatenate(columns) for columns in zip(*reports, strict=True))
        width = bits_for(len(self.names.users))
        key, order = order_of((cell << width) | voter, bits_for(self.cells) + width)
        first = edges(key)
        if len(first):
            # All reports of one cluster are one vote, that of its member who counts most.
            totals.add("report_votes_nano", key[first] >> width, np.maximum.reduceat(weight[order], first))
        return pa.table(
            {
                # Every cell: a trust of 0 is known, and one of nobody is nowhere divided by nobody's weight.
                "video_day": self.video_day,
                **{name: totals.as_float(name) for name in ("like_trust", "comment_trust")},
                "report_votes_nano": totals.whole("report_votes_nano"),
            }
        )

    def devices(self, keep: Keep | None = None) -> pa.Table:
        """The columns of weighted_devices.sql."""
        parts = list(in_threads(self.threads, lambda part: self._liked_from(part, keep), self.shares))
        cell, device, share, weight = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        names, number = np.unique(device, return_inverse=True)
        width = bits_for(len(names))
        key, order = order_of((cell << width) | number, bits_for(self.cells) + width)
        # The likes of one account lie side by side, and from one device they are one.
        share = share[order]
        other = (key[1:] != key[:-1]) | (share[1:] != share[:-1])
        once = np.flatnonzero(np.concatenate([[True], other])[: len(key)])
        key, weight = key[once], weight[order][once]
        first = edges(key)
        totals = Totals(self.cells)
        if len(first):
            totals.add("liker_nano", key >> width, weight)
            totals.add("device_nano", key[first] >> width, np.maximum.reduceat(weight, first))
        there = np.unique(cell)
        sums = {name: totals.whole(name)[there] for name in ("liker_nano", "device_nano")}
        return pa.table({"video_day": self.video_day[there], **sums})

    def _cells_of(self, part: Shares, some: Ints | slice = slice(None)) -> Ints:
        """The cell of each share."""
        return self._cell[part.video_day(self.videos, some)].astype(np.int64)

    def _vouched(
        self, part: Shares, accounts: Accounts, as_of_us: Ints, keep: Keep | None, totals: Totals
    ) -> tuple[Ints, SmallInts, Ints]:
        """Adds how far those who liked and commented are trusted; the cell, voter and weight of those who reported."""
        kept = np.ones(len(part.user), bool) if keep is None else keep(part.user, part.thousandths)
        vouching = np.flatnonzero(((part.bits & (LIKE | COMMENT)) > 0) & kept)
        cell, weight = self._cells_of(part, vouching), part.weight_nano[vouching].astype(np.int64)
        trust = accounts.trust(part.user[vouching], as_of_us[self.video_day[cell] // self.videos])
        for name, bit in (("like_trust", LIKE), ("comment_trust", COMMENT)):
            of_kind = (part.bits[vouching] & bit) > 0
            totals.add_product(name, cell[of_kind], trust[of_kind], weight[of_kind])
        reporting = np.flatnonzero(((part.bits & REPORT) > 0) & kept)
        user = part.user[reporting]
        # A report votes as far as its author's reports are believed.
        return self._cells_of(part, reporting), self.viewers.voter[user], self.viewers.report_nano[user]

    def _liked_from(self, part: Shares, keep: Keep | None) -> tuple[Ints, npt.NDArray[np.uint64], Ints, Ints]:
        """The cell, device, share and weight of each like from a known device."""
        acts, share = part.of_acts()
        likes = part.acts.kind[acts] == KIND["like"]
        if keep is not None:
            likes &= keep(part.user, part.thousandths)[share]
        acts, share = acts[likes], share[likes]
        device = part.acts.device[acts]
        known = np.flatnonzero(device)
        share = share[known]
        # Shares of other parts have other numbers.
        weight = part.weight_nano[share].astype(np.int64)
        return self._cells_of(part, share), device[known], share + (part.acts.low << 32), weight

    def _shared(self, acts: Acts) -> Shares:
        begin = acts.visit_days()
        inside = np.flatnonzero(acts.day[begin] > 0)
        bits = np.left_shift(np.uint8(1), acts.kind)
        since = acts.ts_us - self._created_us[acts.video]
        bits[(bits == VIEW) & (since >= 0) & (since < self._early_us)] |= np.uint8(EARLY)
        units = np.zeros(0, np.int32)
        if len(begin):
            bits = np.bitwise_or.reduceat(bits, begin)[inside]
            units = np.add.reduceat(self._units[acts.kind], begin, dtype=np.int32)[inside]
        first = begin[inside]
        user, video = acts.user[first], acts.video[first]
        thousandths = self._thousandths(user, video)
        weight = self.viewers.weight_nano[user]
        less = np.flatnonzero(thousandths < WHOLE)
        weight[less] = weight[less] * thousandths[less] // WHOLE
        # Who reports a video gives it nothing, on no day of the window.
        visit = edges(user.astype(np.int64) * self.videos + video)
        reported = np.zeros(len(user), bool)
        if len(visit):
            said = (np.bitwise_or.reduceat(bits, visit) & REPORT) > 0
            reported = np.repeat(said, np.diff(visit, append=len(user)))
        weight[reported] = 0
        units[reported] = 0
        return Shares(
            acts,
            np.diff(begin, append=len(acts.day))[inside].astype(np.int32),
            user,
            video,
            acts.day[first],
            bits,
            units,
            thousandths.astype(np.uint16),
            weight.astype(np.int32),
            reported,
        )

    def _thousandths(self, user: SmallInts, video: SmallInts) -> Ints:
        """What is left of an account's acts on a video, beside its weight."""
        found = np.full(len(user), WHOLE)
        maybe = np.flatnonzero(self._less[user])
        if not len(maybe):
            return found
        pair = user[maybe].astype(np.int64) * len(self.names.creators) + self.names.owner[video[maybe]]
        at = np.minimum(np.searchsorted(self.viewers.pair, pair), len(self.viewers.pair) - 1)
        hit = self.viewers.pair[at] == pair
        found[maybe[hit]] = self.viewers.thousandths[at[hit]]
        return found

    def _count(self, part: Shares, rate_femto: Ints, keep: Keep | None, totals: Totals, acts: Totals) -> None:
        rows, share = part.of_acts()
        of_share = self._cells_of(part)
        kept = np.ones(len(part.user), bool) if keep is None else keep(part.user, part.thousandths)
        cell = (of_share[share] << KIND_BITS) | part.acts.kind[rows]
        acts.add("acts", cell if keep is None else cell[kept[share]])
        for name, bit in SUMS.items():
            of_kind = np.flatnonzero(((part.bits & bit) > 0) & kept)
            totals.add(name, of_share[of_kind], part.weight_nano[of_kind].astype(np.int64))
        totals.add("viewers", of_share[((part.bits & VIEW) > 0) & kept])
        giving = np.flatnonzero((part.units > 0) & kept)
        cell, units = of_share[giving], part.units[giving].astype(np.int64)
        totals.add("unit_nano", cell, units * part.weight_nano[giving])
        totals.add("budget_femto", cell, units * part.thousandths[giving] * rate_femto[part.user[giving]])
