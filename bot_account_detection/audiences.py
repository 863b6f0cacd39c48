"""What every account had to do with every creator, and which creators' audiences are odd.

One entry an account and creator, found by sorting; audiences are then compared with one another, kind by kind
(`families.usual` and `families.as_usual`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields

import numpy as np

from bot_account_detection import families
from bot_account_detection.families import Bools, Floats, Ints
from bot_account_detection.thresholds import THRESHOLDS, Thresholds

#: The families that compare audiences, and the kinds that each of them tells apart; a batch is one of the cells of
#: equally many accounts by age.
CELLS: dict[str, tuple[int, ...]] = {
    "one_shot": (1,),
    "crowd": (1, 2, 3),
    "batch": (),
    "praise": (1,),
    "detached": (1,),
}


@dataclass(frozen=True, slots=True)
class Pairs:
    """One entry an account and creator, those of an account side by side: their numbers, visits, reports, videos, and
    on how many videos the account praised, or was at a sitting in which it visited no other creator.
    """

    account: Ints
    creator: Ints
    visits: Ints
    reports: Ints
    videos: Ints
    praised: Ints
    alone: Ints

    @classmethod
    def of(cls, account: Ints, creator: Ints, sitting: Ints, visits: Ints, reports: Ints, praise: Ints) -> Pairs:
        """From one entry an account and video, in any order; `sitting` numbers stretches of time."""
        if not len(account):
            return cls(*(np.zeros(0, np.int64) for _ in fields(cls)))
        order = np.argsort(account.astype(np.int64) * (int(creator.max()) + 1) + creator)
        account, creator = account[order], creator[order]
        first = np.flatnonzero((np.diff(account, prepend=-1) != 0) | (np.diff(creator, prepend=-1) != 0))
        alone = _alone(account, creator, sitting[order])

        def total(values: np.ndarray) -> Ints:
            return np.add.reduceat(values.astype(np.int64), first)

        return cls(
            account[first].astype(np.int64),
            creator[first].astype(np.int64),
            total(visits[order]),
            total(reports[order]),
            np.diff(first, append=len(account)),
            total(praise[order] > 0),
            total(alone),
        )

    @classmethod
    def joined(cls, parts: Iterable[Pairs]) -> Pairs:
        """Several parts, each with accounts of its own, one after the other."""
        every = list(parts)
        return cls(*(np.concatenate([getattr(part, field.name) for part in every]) for field in fields(cls)))


def _alone(account: Ints, creator: Ints, sitting: Ints) -> Bools:
    """For each entry, whether no other creator was visited by the account within the same sitting."""
    order = np.argsort(account.astype(np.int64) * (int(sitting.max()) + 1) + sitting)
    a, s, c = account[order], sitting[order], creator[order]
    first = np.flatnonzero((np.diff(a, prepend=-1) != 0) | (np.diff(s, prepend=-1) != 0))
    single = np.minimum.reduceat(c, first) == np.maximum.reduceat(c, first)
    found = np.empty(len(account), bool)
    found[order] = np.repeat(single, np.diff(first, append=len(a)))
    return found


@dataclass(frozen=True, slots=True)
class Loyalty:
    """To whom each account with a visit goes most: one entry an account; `popularity` is how much of other
    people's passing visits that creator has, those that are nobody's main errand.
    """

    account: Ints
    visits: Floats
    all_visits: Floats
    popularity: Floats

    @classmethod
    def of(cls, pairs: Pairs, creators: int) -> Loyalty:
        """From all pairs."""
        if not len(pairs.account):
            return cls(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(3)))
        first = np.flatnonzero(np.diff(pairs.account, prepend=-1))
        most = np.maximum.reduceat(pairs.visits, first)
        size = np.diff(first, append=len(pairs.account))
        # Of several with as many visits the first.
        at_most = np.flatnonzero(pairs.visits == np.repeat(most, size))
        main = at_most[np.flatnonzero(np.diff(pairs.account[at_most], prepend=-1))]
        passing = np.bincount(pairs.creator, pairs.visits, creators)
        passing -= np.bincount(pairs.creator[main], pairs.visits[main], creators)
        popularity = passing / max(1.0, float(passing.sum()))
        return cls(
            pairs.account[first],
            most.astype(np.float64),
            np.add.reduceat(pairs.visits, first).astype(np.float64),
            popularity[pairs.creator[main]],
        )


@dataclass(frozen=True, slots=True)
class Errands:
    """The accounts of odd audiences, one entry an account and creator: the factor of each family there, and how much
    of the account's visits go there (1 from a quarter on).
    """

    account: Ints
    creator: Ints
    used: Floats
    factors: dict[str, Floats]

    def by_account(self, name: str, count: int) -> Floats:
        """The factor of each account: a creator whom it visits now and then says less about it."""
        factor = np.ones(count)
        np.minimum.at(factor, self.account, 1.0 - (1.0 - self.factors[name]) * self.used)
        return factor


def errands(pairs: Pairs, standing: Floats, batch: Ints, creators: int, t: Thresholds = THRESHOLDS) -> Errands:
    """Who belongs to too many of one kind. `standing` is what the other families leave of each account, `batch` its
    cell by age, -1 where that is unknown. Whoever reports a creator is no part of its audience.
    """
    rows = np.flatnonzero(pairs.reports == 0)
    account, creator = pairs.account[rows], pairs.creator[rows]
    life = _sums(pairs.account, pairs.visits, len(standing))[account]
    kinds = _kinds(pairs, rows, life, t) | {"batch": batch[account]}
    # Whole billionths, so that sums are exact whatever the order.
    nano = np.rint(standing * 1e9)[account]
    everybody = np.rint(standing * 1e9)[np.unique(account)].sum() / 1e9
    cells = CELLS | {"batch": tuple(range(int(batch.max(initial=-1)) + 1))}
    rooms = _rooms(_tally(creator, nano, kinds, cells), creators, everybody, cells, t)
    odd = np.zeros(creators, bool)
    for (name, cell), room in rooms.items():
        odd |= np.bincount(creator[kinds[name] == cell], minlength=creators) > room.allowed
    few = np.flatnonzero(odd[creator])
    factors = {name: np.ones(len(few)) for name in CELLS}
    for (name, cell), room in rooms.items():
        mine = np.flatnonzero(kinds[name][few] == cell)
        at = few[mine]
        factors[name][mine] = families.as_usual(creator[at], nano[at] / 1e9, room.allowed, room.common, t)
    used = np.minimum(1.0, pairs.visits[rows[few]] / (t.crowd_share * life[few]))
    return Errands(account[few], creator[few], used, factors)


def _kinds(pairs: Pairs, rows: Ints, life: Floats, t: Thresholds) -> dict[str, Ints]:
    """How each account came to each creator, as the number of a kind; 0 is nothing in particular."""
    visits, videos = pairs.visits[rows], pairs.videos[rows]
    return {
        "one_shot": families.one_shot(life, t),
        "crowd": families.crowd(visits, life, t),
        "praise": families.praise(pairs.praised[rows], videos, t),
        "detached": families.detached(pairs.alone[rows], videos, life - visits, t),
    }


@dataclass(frozen=True, slots=True)
class Tally:
    """Accounts and what the other families leave of them, by creator and combination of kinds."""

    creator: Ints
    kinds: Mapping[str, Ints]
    accounts: Floats
    audience: Floats


def _tally(creator: Ints, nano: Floats, kinds: Mapping[str, Ints], cells: Mapping[str, tuple[int, ...]]) -> Tally:
    code = creator.copy()
    sizes = {name: max(some, default=0) + 2 for name, some in cells.items()}
    for name, size in sizes.items():
        code = code * size + kinds[name] + 1
    there, at = _numbered(code)
    found = {}
    rest = there
    for name in reversed(sizes):
        rest, digit = np.divmod(rest, sizes[name])
        found[name] = digit - 1
    count = len(there)
    return Tally(rest, found, np.bincount(at, minlength=count).astype(float), np.bincount(at, nano, count) / 1e9)


def _sums(at: Ints, values: Ints | Floats, count: int) -> Floats:
    return np.bincount(at, values, count).astype(np.float64)


def _numbered(code: Ints) -> tuple[Ints, Ints]:
    """The different codes, and the place of each entry's among them."""
    top = int(code.max(initial=0)) + 1
    if top > 4 * len(code) + 10**6:
        there, at = np.unique(code, return_inverse=True)
        return there, at
    seen = np.zeros(top, bool)
    seen[code] = True
    return np.flatnonzero(seen), (np.cumsum(seen) - 1)[code]


@dataclass(frozen=True, slots=True)
class Room:
    """How many of a kind each creator's audience may have, and what part of an audience usually is of the kind."""

    allowed: Floats
    common: float


def _rooms(
    tally: Tally, creators: int, everybody: float, cells: Mapping[str, tuple[int, ...]], t: Thresholds
) -> dict[tuple[str, int], Room]:
    """What is too much of one kind is no audience by which another kind could be excused, so the audiences are taken
    again after each round.
    """
    at = tally.creator
    members = {(name, cell): tally.kinds[name] == cell for name in cells for cell in cells[name]}
    total = _sums(at, tally.audience, creators)
    usual, many = {}, {}
    for kind, member in members.items():
        many[kind] = _sums(at, tally.accounts * member, creators)
        usual[kind] = families.usual(many[kind], _sums(at, tally.audience * member, creators), total, t)
    counted = tally.audience
    rooms: dict[tuple[str, int], Room] = {}
    for _ in range(t.crowd_rounds):
        total = _sums(at, counted, creators)
        # Whom so many visit that they are nobody's odd choice.
        known = np.maximum(1.0 - total / (t.crowd_reach * max(everybody, 1.0)), 1e-6)
        left = np.ones(len(at))
        for kind, member in members.items():
            others = np.maximum(total - _sums(at, counted * member, creators), 1.0)
            mean, most = usual[kind]
            slack = float(getattr(t, f"slack_{kind[0]}"))
            rooms[kind] = Room((slack + most * others) / known, mean / (1.0 + mean))
            part = np.minimum(1.0, rooms[kind].allowed / np.maximum(many[kind], 1.0))
            part = np.maximum(part, families.said_by_chance(rooms[kind].common, t))
            left = np.where(member, np.minimum(left, part[at]), left)
        counted = tally.audience * left
    return rooms
