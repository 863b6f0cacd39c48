"""What every video got from the accounts of each reason, each account under one reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from core.arrays import Ints, SmallInts, bits_for, edges, in_threads, order_of
from core.event_log import KIND
from viewer_activity.weighed_log import COUNTS, FEMTO, NANO, Bools, Keep, Shares, Totals, WeighedLog

#: The kinds of acts that a group tells.
TYPES = ("views", "likes", "comments", "shares", "follows")
_TOLD = sum(1 << KIND[COUNTS[name]] for name in TYPES)


@dataclass(frozen=True, slots=True)
class Codes:
    """The code of each account of the log, as a number, and whether somebody spoke against it; the numbers of the codes
    that an account gets for what it did to one video; below how many thousandths too many of a kind came.
    """

    code: SmallInts
    discounted: Bools
    counted: int
    reported_it: int
    counts_less_here: int
    fired_thousandths: int

    @property
    def undisputed(self) -> Keep:
        """The shares of whoever nothing is said against."""
        return lambda user, thousandths: ~self.discounted[user] & (thousandths >= self.fired_thousandths)

    def of(self, shares: Shares) -> SmallInts:
        """The code of each share."""
        found = self.code[shares.user]
        # Nothing speaks against the account, and yet it is one too many of its kind here.
        less = (shares.thousandths < self.fired_thousandths) & ~self.discounted[shares.user]
        found[less] = self.counts_less_here
        found[shares.reported_it] = self.reported_it
        return found


def groups(log: WeighedLog, codes: Codes, count: int, rate_femto: Ints) -> pa.Table:
    """One row a video and code (0 to `count` - 1), in their order: events by type, accounts, devices (an unknown one is
    none), the `viewers` that they count as, the `weighted_units` that are left of theirs, and the `paid_units` that
    their budgets let through of these.
    """
    cells = max(1, len(log.names.videos)) * count
    totals = Totals(cells)
    devices = list(
        in_threads(log.threads, lambda part: _count(part, log, codes, count, rate_femto, totals), log.shares)
    )
    accounts = totals.whole("accounts")
    there = np.flatnonzero(accounts)
    video, code = np.divmod(there, count)
    table = {"position": video, "code": code.astype(np.uint8)}
    table |= {name: totals.whole(name)[there] for name in TYPES}
    table |= {"accounts": accounts[there], "devices": _different(devices, cells)[there]}
    for name, nano in (("viewers", "viewer_nano"), ("weighted_units", "unit_nano")):
        table[name] = totals.as_float(nano)[there] / NANO
    table["paid_units"] = totals.as_float("budget_femto")[there] / FEMTO
    return pa.table(table)


def _count(
    part: Shares, log: WeighedLog, codes: Codes, count: int, rate_femto: Ints, totals: Totals
) -> tuple[Ints, np.ndarray]:
    """Adds a part's figures; returns the cells and devices that are to be counted once each."""
    told = (part.bits & _TOLD) > 0
    code = codes.of(part)
    cell = part.video.astype(np.int64) * count + code
    units = part.units[told].astype(np.int64)
    totals.add("unit_nano", cell[told], units * part.weight_nano[told])
    totals.add("budget_femto", cell[told], units * part.thousandths[told] * rate_femto[part.user[told]])
    # An account is one, on however many days it came.
    once = np.flatnonzero(told)
    once = once[edges(part.user[once].astype(np.int64) * log.videos + part.video[once])]
    totals.add("accounts", cell[once])
    totals.add("viewer_nano", cell[once], part.weight_nano[once].astype(np.int64))
    acts, share = part.of_acts()
    kind, of_act = part.acts.kind[acts], cell[share]
    for name in TYPES:
        totals.add(name, of_act[kind == KIND[COUNTS[name]]])
    device = part.acts.device[acts]
    asked = (code != codes.counted)[share] & (kind != KIND["report"]) & (device > 0)
    return of_act[asked], device[asked]


def _different(parts: list[tuple[Ints, np.ndarray]], cells: int) -> Ints:
    """How many different devices each cell has."""
    cell = np.concatenate([part[0] for part in parts] or [np.zeros(0, np.int64)])
    device = np.concatenate([part[1] for part in parts] or [np.zeros(0, np.uint64)])
    names, number = np.unique(device, return_inverse=True)
    width = bits_for(len(names))
    key, _ = order_of((cell << width) | number, bits_for(cells) + width)
    return np.bincount(key[edges(key)] >> width, minlength=cells)
