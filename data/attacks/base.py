"""What attacks share: a registry with the range of every parameter, fake accounts, targets and rows of
events.

An attack is a function `(world, rng, *, parameters…) -> Attack` that reads a world and changes nothing.
Registered with `@attack(name=Range(low, default, high), …)`; `draw` takes fresh parameters from the ranges
for a test that no scorer has seen, `run` plants one attack.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput
from data.world import (
    DAY_US,
    HOUR_US,
    ROLES_SCHEMA,
    SECOND_US,
    TARGETS_SCHEMA,
    TYPE_CODE,
    Attack,
    World,
    events_table,
    hex_ids,
    times,
    users_table,
    videos_table,
)

# Prices of a farmed account and a rented device in euro, and of one event.
ACCOUNT_EUR = {"fresh": 0.02, "aged": 0.50, "verified": 5.00}
DEVICE_EUR = 8.0
EVENT_EUR = 0.0009


@dataclass(frozen=True)
class Range:
    """Bounds of a parameter, both included. `scales` means that the default grows and shrinks with the world."""

    low: float
    default: float
    high: float
    scales: bool = False

    @property
    def whole(self) -> bool:
        """Whether the parameter is a whole number."""
        return all(isinstance(bound, int) for bound in (self.low, self.default, self.high))


AttackFunction = Callable[..., Attack]
ATTACKS: dict[str, AttackFunction] = {}
RANGES: dict[str, dict[str, Range]] = {}
#: Events of the world for which the defaults are meant.
FULL_SIZE = 500_000


def attack(**ranges: Range) -> Callable[[AttackFunction], AttackFunction]:
    """Registers an attack under its function's name."""

    def register(function: AttackFunction) -> AttackFunction:
        ATTACKS[function.__name__] = function
        RANGES[function.__name__] = ranges
        return function

    return register


def defaults(name: str, world: World) -> dict[str, float]:
    """The usual parameters of an attack on a world of this size."""
    factor = min(1.0, world.events.num_rows / FULL_SIZE)
    values = {}
    for key, span in RANGES[_known(name)].items():
        value = max(span.low, span.default * factor) if span.scales else span.default
        values[key] = round(value) if span.whole else value
    return values


def draw(name: str, rng: np.random.Generator) -> dict[str, float]:
    """Parameters drawn afresh, evenly on a logarithmic scale where the range allows one."""
    values = {}
    for key, span in RANGES[_known(name)].items():
        if span.low > 0:
            value = float(np.exp(rng.uniform(np.log(span.low), np.log(span.high))))
        else:
            value = float(rng.uniform(span.low, span.high))
        values[key] = round(value) if span.whole else value
    return values


def run(name: str, world: World, rng: np.random.Generator, parameters: Mapping[str, float] | None = None) -> Attack:
    """Plants one attack; parameters that are not given are the usual ones. Raises BadInput outside the
    ranges.
    """
    known = RANGES[_known(name)]
    values = defaults(name, world) | dict(parameters or {})
    for key, value in values.items():
        if key not in known:
            raise BadInput(f"the attack {name} has no parameter {key}; it has {', '.join(known)}")
        if not known[key].low <= value <= known[key].high:
            raise BadInput(f"{key} of {name} must be between {known[key].low} and {known[key].high}")
    return ATTACKS[name](world, rng, **values)


def _known(name: str) -> str:
    if name not in ATTACKS:
        raise BadInput(f"there is no attack {name!r}; there are {', '.join(sorted(ATTACKS))}")
    return name


def cost_eur(planted: Attack, world: World) -> float:
    """What the attack costs its author: accounts by what they would sell for, devices and events."""
    age_days = (world.end_us - planted.users["created_at"].to_numpy().view("i8")) / DAY_US
    kyc = planted.users["kyc_level"].to_numpy()
    verified = kyc >= 2
    aged = ~verified & (age_days >= 30)
    accounts = (
        ACCOUNT_EUR["verified"] * int(verified.sum())
        + ACCOUNT_EUR["aged"] * int(aged.sum())
        + ACCOUNT_EUR["fresh"] * int((~verified & ~aged).sum())
    )
    bought = planted.roles.num_rows - planted.users.num_rows  # accounts of others, taken over or lent
    return accounts + 0.5 * bought + DEVICE_EUR * planted.devices + EVENT_EUR * planted.events.num_rows


@dataclass
class Stage:
    """One attack being put together: new accounts and videos get the next free ids of the world."""

    world: World
    rng: np.random.Generator
    users: list[pa.Table]
    videos: list[pa.Table]
    roles: list[tuple[np.ndarray, str]]
    targets: list[tuple[np.ndarray, np.ndarray, str]]
    columns: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]]

    @classmethod
    def of(cls, world: World, rng: np.random.Generator) -> Stage:
        """An empty stage."""
        return cls(world, rng, [], [], [], [], [])

    def accounts(
        self,
        count: int,
        *,
        age_days: tuple[float, float],
        kyc: tuple[float, ...] = (1.0,),
        role: str = "bot",
        before: bool = False,
    ) -> np.ndarray:
        """New accounts, KYC levels by weight; returns their ids.

        Ages lie evenly between two bounds at the window's end, or, with `before`, at its start, for accounts
        that are there before anything happens.
        """
        rng, world = self.rng, self.world
        first = world.next_user_id + sum(table.num_rows for table in self.users)
        ids = np.arange(first, first + count)
        age = rng.uniform(*age_days, count) + (world.end_us - world.start_us) / DAY_US * before
        level = rng.choice(len(kyc), count, p=np.array(kyc) / sum(kyc))
        trust = np.clip(rng.normal(48, 10, count), 2, 95)
        self.users.append(
            users_table(
                id=ids,
                created_at=times(world.end_us - (age * DAY_US).astype(np.int64)),
                is_creator=np.zeros(count, bool),
                likely_bot=rng.random(count) < 0.05,  # what the platform's older filters happen to catch
                kyc_level=level,
                viewer_trust_score=pa.array(np.round(trust, 1), mask=rng.random(count) < 0.6),
            )
        )
        self.roles.append((ids, role))
        return ids

    def own_videos(self, creators: int = 1, videos_each: int = 3, *, role: str = "profiteer") -> np.ndarray:
        """Creators of the attacker's own, with KYC to be paid, and their videos; returns rows (video,
        creator, us).
        """
        rng, world = self.rng, self.world
        owner = self.accounts(creators, age_days=(60, 400), kyc=(0, 0, 0.5, 0.5), role=role, before=True)
        table = self.users[-1]
        is_creator = pa.array(np.ones(creators, bool))
        self.users[-1] = table.set_column(2, table.schema.field("is_creator"), is_creator)
        first = world.next_video_id + sum(t.num_rows for t in self.videos)
        count = creators * videos_each
        span = world.end_us - world.start_us
        created = world.start_us + (rng.uniform(0.0, 0.6, count) * span).astype(np.int64)
        ids = np.arange(first, first + count)
        creator = np.repeat(owner, videos_each)
        self.videos.append(
            videos_table(
                id=ids,
                creator_id=creator,
                created_at=times(created),
                title=pa.array([f"clip {n}" for n in ids.tolist()]),
                duration_s=np.round(rng.uniform(8, 60, count), 1),
            )
        )
        self.aim(ids, creator, "gain")
        return np.column_stack([ids, creator, created])

    def aim(self, videos: np.ndarray, creators: np.ndarray, effect: str) -> None:
        """Says whose pay the attack is about."""
        self.targets.append((videos, creators, effect))

    def rival(self) -> np.ndarray:
        """The videos of one well-watched honest creator; rows (video, creator, us). Raises BadInput if there
        is none.
        """
        world = self.world
        videos = world.videos
        creator = videos["creator_id"].to_numpy()
        usable = ~np.isin(creator, world.taken) & videos["created_at"].is_valid().to_numpy()
        totals = np.where(usable, world.events_by_video, 0)
        ids, at = np.unique(creator, return_inverse=True)
        by_creator = np.bincount(at, totals)
        if not by_creator.any():
            raise BadInput("framing and report_brigade need a creator whose videos are watched; raise --users")
        ranked = np.argsort(-by_creator, kind="stable")
        ranked = ranked[by_creator[ranked] > 0]
        chosen = ids[ranked[int(self.rng.integers(0, max(1, len(ranked) // 4)))]]  # among the larger quarter
        rows = np.flatnonzero((creator == chosen) & usable)
        created = videos["created_at"].to_numpy().view("i8")
        found = np.column_stack([videos["id"].to_numpy()[rows], creator[rows], created[rows]])
        self.aim(found[:, 0], found[:, 1], "harm")
        self.roles.append((np.array([chosen]), "victim"))
        return found

    def honest(self, count: int, *, creators: bool, role: str, min_age_days: float = 30) -> np.ndarray:
        """Existing accounts of at least that age that no attack has used; at most half of those that there
        are.
        """
        users = self.world.users
        ids = users["id"].to_numpy()
        old = pc.fill_null(pc.less(users["created_at"], self._moment(min_age_days)), False)
        fits = old.to_numpy() & ~np.isin(ids, self.world.taken)
        fits &= pc.fill_null(users["is_creator"], False).to_numpy() == creators
        chosen = np.sort(self.rng.permutation(ids[fits])[: min(count, int(fits.sum()) // 2)])
        self.roles.append((chosen, role))
        return chosen

    def usual(self, accounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A device and an address that each existing account was seen with; fresh ones where nothing is
        known.
        """
        events = self.world.events
        who = events["user_id"].to_numpy()
        rows = np.flatnonzero(np.isin(who, accounts))
        at = np.searchsorted(accounts, who[rows])  # `honest` returns sorted ids
        device, address = self.ids(len(accounts)), self.ids(len(accounts))
        for found, column in ((device, "device_id"), (address, "ip_hash")):
            seen = events[column].take(pa.array(rows))
            known = seen.is_valid().to_numpy()
            found[at[known]] = seen.drop_null().to_numpy(zero_copy_only=False).astype("U16")
        return device, address

    def _moment(self, age_days: float) -> pa.Scalar:
        return pa.scalar(self.world.end_us - int(age_days * DAY_US), pa.int64()).cast(pa.timestamp("us", "UTC"))

    def act(
        self,
        what: str,
        user: np.ndarray,
        video: np.ndarray,
        ts_us: np.ndarray,
        device: np.ndarray,
        address: np.ndarray,
        chance: float = 1.0,
    ) -> None:
        """Adds one event of kind `what` for each element, each with that chance; arrays of one length."""
        kept = self.rng.random(len(user)) < chance
        code = np.full(len(user), TYPE_CODE[what])
        self.columns.append(tuple(c[kept] for c in (video, user, code, ts_us, device, address)))

    def watch(
        self,
        user: np.ndarray,
        video: np.ndarray,
        ts_us: np.ndarray,
        device: np.ndarray,
        address: np.ndarray,
        **chances: float,
    ) -> None:
        """A view for each element, followed by other acts, each with the chance given under its name."""
        self.act("view", user, video, ts_us, device, address)
        for what, chance in chances.items():
            later = ts_us + (self.rng.uniform(2, 40, len(user)) * SECOND_US).astype(np.int64)
            self.act(what, user, video, later, device, address, chance)

    def ids(self, count: int) -> np.ndarray:
        """Fresh device ids or address hashes."""
        return hex_ids(self.rng, int(count))

    def human_times(self, count: int) -> np.ndarray:
        """Times over the whole window, by day more than by night."""
        world, rng = self.world, self.rng
        days = max(1, (world.end_us - world.start_us) // DAY_US)
        hour = rng.normal(18, 3.5, count) % 24
        ts_us = world.start_us + rng.integers(0, days, count) * DAY_US + (hour * HOUR_US).astype(np.int64)
        return np.minimum(ts_us, world.end_us - 1)

    def finish(self, name: str, parameters: Mapping[str, float], *, devices: int) -> Attack:
        """The finished attack; nothing happens before a video is published or outside the window."""
        video, user, code, ts_us, device, address = (np.concatenate(c) for c in zip(*self.columns, strict=True))
        ts_us = self._allowed(video, user, ts_us)
        roles = pa.table(
            {
                "user_id": np.concatenate([ids for ids, _ in self.roles]),
                "role": np.concatenate([np.full(len(ids), role, object) for ids, role in self.roles]),
            },
            schema=ROLES_SCHEMA,
        )
        targets = pa.table(
            {
                "video_id": np.concatenate([v for v, _, _ in self.targets]),
                "creator_id": np.concatenate([c for _, c, _ in self.targets]),
                "effect": np.concatenate([np.full(len(v), effect, object) for v, _, effect in self.targets]),
            },
            schema=TARGETS_SCHEMA,
        )
        events = events_table(
            video_id=video,
            user_id=user,
            code=code,
            ts_us=ts_us,
            device_id=pa.array(device),
            ip_hash=pa.array(address),
        )
        users = pa.concat_tables([self.world.users.slice(0, 0), *self.users])
        videos = pa.concat_tables([self.world.videos.slice(0, 0), *self.videos])
        return Attack(name, dict(parameters), users, videos, events, roles, targets, int(devices))

    def _allowed(self, video: np.ndarray, user: np.ndarray, ts_us: np.ndarray) -> np.ndarray:
        """Times moved into the life of video, account and window."""
        first = np.full(len(ts_us), self.world.start_us)
        for tables, new, ids in (
            (self.world.videos, self.videos, video),
            (self.world.users, self.users, user),
        ):
            both = pa.concat_tables([tables, *new])
            born = pc.fill_null(both["created_at"].cast(pa.int64()), 0).to_numpy()
            keys = both["id"].to_numpy()
            order = np.argsort(keys)
            first = np.maximum(first, born[order][np.searchsorted(keys[order], ids)])
        late = np.minimum(
            first + (self.rng.exponential(3, len(ts_us)) * HOUR_US).astype(np.int64), self.world.end_us - 1
        )
        outside = (ts_us < first) | (ts_us >= self.world.end_us)
        return np.where(outside, np.maximum(late, np.minimum(first, self.world.end_us - 1)), ts_us)
