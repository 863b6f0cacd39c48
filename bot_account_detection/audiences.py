"""What every account had to do with every creator, and which creators' audiences are odd.

One entry an account and creator, found by sorting; audiences are then compared with one another, kind by kind
(`families.usual` and `families.as_usual`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from bot_account_detection import families
from bot_account_detection.families import Bools, Floats, Ints
from bot_account_detection.thresholds import THRESHOLDS, Thresholds
from core.arrays import SmallInts, bits_for, edges, in_threads, order_of

#: The families that compare audiences, and the kinds that each of them tells apart; a batch is one of the cells of
#: equally many accounts by age.
CELLS: dict[str, tuple[int, ...]] = {
    "one_shot": (1,),
    "crowd": (1, 2, 3),
    "batch": (),
    "praise": (1,),
    "detached": (1,),
}


#: Combinations of creator and kinds that are held before they are summed.
MOST_HELD = 4_000_000


@dataclass(frozen=True, slots=True)
class Pairs:
    """One entry an account and creator, those of an account side by side: their numbers, visits, videos, and on how
    many videos the account reported or praised, or was at a sitting in which it visited no other creator.
    """

    account: Ints
    creator: Ints
    visits: Ints
    reported: Ints
    videos: Ints
    praised: Ints
    alone: Ints

    @classmethod
    def of(
        cls,
        *,
        account: SmallInts,
        creator: SmallInts,
        sitting: SmallInts,
        visits: SmallInts,
        reported: Bools,
        praised: Bools,
    ) -> Pairs:
        """From one entry an account and video, in any order; `sitting` numbers stretches of time."""
        if not len(account):
            return cls(*(np.zeros(0, np.int64) for _ in fields(cls)))
        # Accounts of a part are near one another, so that their numbers and the rows' fit into one.
        low, width = int(account.min()), bits_for(int(creator.max()) + 1)
        bits = bits_for(int(account.max()) + 1 - low)
        near = (account - low).astype(np.int64)
        key, order = order_of((near << width) | creator, bits + width)
        first = edges(key)
        pair = key[first]
        alone = _alone(near, creator, sitting, bits)
        return cls(
            (pair >> width) + low,
            pair & (1 << width) - 1,
            np.add.reduceat(visits[order], first, dtype=np.int64),
            np.add.reduceat(reported[order], first, dtype=np.int64),
            np.diff(first, append=len(key)),
            np.add.reduceat(praised[order], first, dtype=np.int64),
            np.add.reduceat(alone[order], first, dtype=np.int64),
        )


def _alone(near: Ints, creator: SmallInts, sitting: SmallInts, bits: int) -> Bools:
    """For each entry, whether no other creator was visited by the account within the same sitting."""
    width = bits_for(int(sitting.max()) + 1)
    key, order = order_of((near << width) | sitting, bits + width)
    first = edges(key)
    visited = creator[order]
    single = np.minimum.reduceat(visited, first) == np.maximum.reduceat(visited, first)
    found = np.empty(len(near), bool)
    found[order] = np.repeat(single, np.diff(first, append=len(key)))
    return found


@dataclass(frozen=True, slots=True)
class Main:
    """To whom each account goes most, and how many visits it made there and in all: one entry an account, more where it
    goes to several as often (`of` so many), for no name decides between them.
    """

    account: Ints
    creator: Ints
    visits: Floats
    all_visits: Floats
    of: Ints


@dataclass(frozen=True, slots=True)
class Visitors:
    """How each account came to each creator, one entry a pair, in narrow numbers: there is one for nearly every visit.

    `kinds` has a number for each family (0 is nothing in particular), `used` how much of the account's visits goes to
    the creator (1 from a quarter on), `hostile` whether it reported anything there. `people` are the accounts, each
    once, and `reached` is the number of visits by creator.
    """

    account: np.ndarray
    creator: np.ndarray
    kinds: dict[str, np.ndarray]
    used: np.ndarray
    hostile: Bools
    people: Ints
    main: Main
    reached: Floats

    @classmethod
    def of(cls, pairs: Pairs, t: Thresholds = THRESHOLDS) -> Visitors:
        """From all pairs of some accounts."""
        first = np.flatnonzero(np.diff(pairs.account, prepend=-1))
        size = np.diff(first, append=len(pairs.account))
        in_all = np.add.reduceat(pairs.visits, first) if len(first) else first
        life = np.repeat(in_all, size).astype(np.float64)
        kinds = {
            "one_shot": families.one_shot(life, t),
            "crowd": families.crowd(pairs.visits, life, t),
            "praise": families.praise(pairs.praised, pairs.videos, t),
            "detached": families.detached(pairs.alone, pairs.videos, life - pairs.visits, t),
        }
        most = np.maximum.reduceat(pairs.visits, first) if len(first) else first
        main = np.flatnonzero(pairs.visits == np.repeat(most, size))
        whose = np.repeat(np.arange(len(first)), size)[main]
        return cls(
            pairs.account.astype(np.int32),
            pairs.creator.astype(np.int32),
            {name: kind.astype(np.int8) for name, kind in kinds.items()},
            np.minimum(1.0, pairs.visits / (t.crowd_share * np.maximum(life, 1.0))).astype(np.float32),
            pairs.reported > 0,
            pairs.account[first],
            Main(
                pairs.account[main],
                pairs.creator[main],
                most[whose].astype(np.float64),
                in_all[whose].astype(np.float64),
                np.bincount(whose)[whose],
            ),
            _sums(pairs.creator, pairs.visits, int(pairs.creator.max(initial=-1)) + 1),
        )


def loyalty(
    parts: Sequence[Visitors], standing: Floats, creators: int, t: Thresholds = THRESHOLDS
) -> Iterator[tuple[Main, Floats]]:
    """Each part's accounts with how popular their main creators are: their part of the passing visits, those that are
    nobody's main errand; more where one reaches so many people that it is the main errand of most. Where an account has
    several, its errand is shared out among them.
    """
    micro = np.rint(standing * 1e6)
    people = sum(float(micro[part.people].sum()) for part in parts)
    reach = np.zeros(creators)
    for part in parts:
        reach += _sums(part.creator, micro[part.account], creators)
    passing = np.zeros(creators)
    for part in parts:
        passing[: len(part.reached)] += 1e6 * part.reached
        # Whole millionths, so that sums are exact whatever the order.
        passing -= _sums(part.main.creator, np.rint(1e6 * part.main.visits / part.main.of), creators)
    popularity = passing / max(1.0, float(passing.sum())) / _unknown(reach, people, t)
    for part in parts:
        yield part.main, popularity[part.main.creator]


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


def errands(
    parts: Sequence[Visitors],
    standing: Floats,
    batch: Ints,
    creators: int,
    t: Thresholds = THRESHOLDS,
    *,
    threads: int = 1,
) -> Errands:
    """Who belongs to too many of one kind. `standing` is what the other families leave of each account, `batch` its
    cell by age, -1 where that is unknown. Whoever reports a creator is no part of its audience.
    """
    # Whole millionths, so that sums are exact whatever the order.
    micro = np.rint(standing * 1e6)
    cells = CELLS | {"batch": tuple(range(int(batch.max(initial=-1)) + 1))}
    tally = Tally.joined(in_threads(threads, lambda part: Tally.of(part, micro, batch, cells), parts))
    everybody = float(sum(micro[part.people].sum() for part in parts)) / 1e6
    rooms = _rooms(tally, creators, everybody, cells, t)
    odd = np.zeros(creators, bool)
    owner, kinds = tally.creator, tally.kinds
    for (name, cell), room in rooms.items():
        odd |= _sums(owner, tally.accounts * (kinds[name] == cell), creators) > room.allowed
    few = [np.flatnonzero(odd[part.creator] & ~part.hostile) for part in parts]

    def those(column: Callable[[Visitors], np.ndarray]) -> np.ndarray:
        return np.concatenate([column(part)[some] for part, some in zip(parts, few, strict=True)])

    account = those(lambda part: part.account).astype(np.int64)
    creator = those(lambda part: part.creator).astype(np.int64)
    used = those(lambda part: part.used).astype(np.float64)
    mine_kinds = {name: those(_kind(name)) for name in CELLS if name != "batch"}
    mine_kinds["batch"] = batch[account]
    factors = {name: np.ones(len(account)) for name in CELLS}
    for (name, cell), room in rooms.items():
        mine = np.flatnonzero(mine_kinds[name] == cell)
        prior = micro[account[mine]] / 1e6
        factors[name][mine] = families.as_usual(creator[mine], prior, room.usual, room.slack, room.common, t)
    return Errands(account, creator, used, factors)


def _unknown(reached: Floats, everybody: float, t: Thresholds) -> Floats:
    """1 for creators that nobody knows, next to 0 from half of everybody on: whom so many visit is no odd choice."""
    return np.maximum(1.0 - reached / (t.crowd_reach * max(everybody, 1.0)), 1e-6)


def _kind(name: str) -> Callable[[Visitors], np.ndarray]:
    return lambda part: part.kinds[name]


@dataclass(frozen=True, slots=True)
class Tally:
    """Accounts and what the other families leave of them, by creator and combination of kinds (`code`)."""

    code: Ints
    sizes: dict[str, int]
    accounts: Floats
    audience: Floats

    @classmethod
    def of(cls, part: Visitors, micro: Floats, batch: Ints, cells: Mapping[str, tuple[int, ...]]) -> Tally:
        """From a part of the accounts."""
        here = np.flatnonzero(~part.hostile)
        account = part.account[here]
        code = part.creator[here].astype(np.int64)
        sizes = {name: max(some, default=0) + 2 for name, some in cells.items()}
        for name, size in sizes.items():
            kind = batch[account] if name == "batch" else part.kinds[name][here]
            code = code * size + kind + 1
        return cls(*_grouped(code, sizes, np.ones(len(code)), micro[account]))

    @classmethod
    def joined(cls, parts: Iterable[Tally]) -> Tally:
        """Several parts as one; the audience in accounts."""
        held: list[Tally] = []
        for part in parts:
            held.append(part)
            # Most combinations are in many parts: what is held stays small.
            if sum(len(one.code) for one in held[1:]) > MOST_HELD:
                held = [cls._sum(held)]
        whole = cls._sum(held)
        return cls(whole.code, whole.sizes, whole.accounts, whole.audience / 1e6)

    @classmethod
    def _sum(cls, parts: Sequence[Tally]) -> Tally:
        columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("code", "accounts", "audience"))
        code, accounts, audience = columns
        return cls(*_grouped(code, parts[0].sizes, accounts, audience))

    @property
    def creator(self) -> Ints:
        """The creator of each entry."""
        return np.asarray(self.code // math.prod(self.sizes.values()))

    @property
    def kinds(self) -> dict[str, Ints]:
        """The kind of each entry in each family."""
        rest, found = self.code, {}
        for name in reversed(self.sizes):
            rest, digit = np.divmod(rest, self.sizes[name])
            found[name] = digit - 1
        return found


def _grouped(
    code: Ints, sizes: dict[str, int], accounts: Floats, audience: Floats
) -> tuple[Ints, dict[str, int], Floats, Floats]:
    key, order = order_of(code, bits_for(int(code.max(initial=0)) + 1))
    first = edges(key)
    if not len(first):
        return key, sizes, accounts, audience
    return key[first], sizes, np.add.reduceat(accounts[order], first), np.add.reduceat(audience[order], first)


def _sums(at: Ints, values: Ints | Floats, count: int) -> Floats:
    return np.bincount(at, values, count).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Room:
    """How many of a kind each creator's audience may have, how many more if they are established, and what part of an
    audience usually is of the kind.
    """

    usual: Floats
    slack: Floats
    common: float

    @property
    def allowed(self) -> Floats:
        """The most that there may be."""
        return self.usual + self.slack


def _rooms(
    tally: Tally, creators: int, everybody: float, cells: Mapping[str, tuple[int, ...]], t: Thresholds
) -> dict[tuple[str, int], Room]:
    """What is too much of one kind is no audience by which another kind could be excused, so the audiences are taken
    again after each round.
    """
    at, kinds = tally.creator, tally.kinds
    members = {(name, cell): kinds[name] == cell for name in cells for cell in cells[name]}
    total = _sums(at, tally.audience, creators)
    usual, many = {}, {}
    for kind, member in members.items():
        many[kind] = _sums(at, tally.accounts * member, creators)
        usual[kind] = families.usual(many[kind], _sums(at, tally.audience * member, creators), total, t)
    counted = tally.audience
    rooms: dict[tuple[str, int], Room] = {}
    for _ in range(t.crowd_rounds):
        total = _sums(at, counted, creators)
        unknown = _unknown(total, everybody, t)
        left = np.ones(len(at))
        for kind, member in members.items():
            others = np.maximum(total - _sums(at, counted * member, creators), 1.0)
            mean, most = usual[kind]
            slack = float(getattr(t, f"slack_{kind[0]}")) + max(0.0, t.crowd_part - most) * others
            rooms[kind] = Room(most * others / unknown, slack / unknown, mean / (1.0 + mean))
            part = np.minimum(1.0, rooms[kind].allowed / np.maximum(many[kind], 1.0))
            part = np.maximum(part, families.said_by_chance(rooms[kind].common, t))
            left = np.where(member, np.minimum(left, part[at]), left)
        counted = tally.audience * left
    return rooms
