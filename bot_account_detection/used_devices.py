"""Which devices each account used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot_account_detection.sorted_log import Acts
from core.arrays import Hashes, Ints, changes


@dataclass(frozen=True, slots=True)
class UsedDevices:
    """One entry an account (its place) and device, 0 being all unknown ones: how many of its acts came from there."""

    user: Ints
    device: Hashes
    acts: Ints

    @classmethod
    def joined(cls, parts: Sequence[UsedDevices]) -> UsedDevices:
        """Those of several ranges of accounts."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("user", "device", "acts")))

    def accounts(self) -> Ints:
        """By how many accounts each entry's device is used; an unknown one is a device of one's own."""
        shared = np.ones(len(self.user), np.int64)
        known = self.device > 0
        _, of, accounts = np.unique(self.device[known], return_inverse=True, return_counts=True)
        shared[known] = accounts[of]
        return shared


def used_devices(acts: Acts) -> UsedDevices:
    """Of one range of accounts. Most have one device, which a look tells; the acts of the others are sorted."""
    who, device = acts.user - acts.low, acts.device
    count = acts.high - acts.low
    known = device > 0
    some = np.zeros(count, np.uint64)
    some[who[known]] = device[known]
    several = np.zeros(count, bool)
    several[who[known & (device != some[who])]] = True
    named = np.bincount(who[known], minlength=count)
    nameless = np.bincount(who[~known], minlength=count)
    single, without = np.flatnonzero((named > 0) & ~several), np.flatnonzero(nameless)
    rows = np.flatnonzero(known & several[who])
    rows = rows[np.lexsort((device[rows], who[rows]))]
    begin = changes(who[rows], device[rows])
    return UsedDevices(
        np.concatenate([single, who[rows][begin], without]) + acts.low,
        np.concatenate([some[single], device[rows][begin], np.zeros(len(without), np.uint64)]),
        np.concatenate([named[single], np.diff(begin, append=len(rows)), nameless[without]]),
    )
