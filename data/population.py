"""Who lives in the simulated world and what they publish: honest users, their habits, and videos.

Habits (time zone, devices, family, addresses, taste) never reach the tables; they are what makes events look
like people's. Ages, activity and popularity are heavy-tailed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.plan import Plan
from data.world import DAY_US, HOUR_US, hex_ids, stream, times, users_table, videos_table

# Offsets from UTC in hours and their share of the users: a platform with most of its people in Europe.
ZONES = ((0.0, 0.12), (1.0, 0.48), (2.0, 0.14), (-5.0, 0.12), (-8.0, 0.05), (5.5, 0.06), (9.0, 0.03))
TOPICS = ("cooking", "football", "guitar", "travel", "chess", "gardening", "dance", "repairs", "history", "cats")
FRIENDS = 24
CARRIERS = 4
ADDRESSES_A_CARRIER = 12


@dataclass(frozen=True)
class People:
    """Habits of every user, by row of the users table. `-1` is none."""

    zone_h: np.ndarray  # local time minus UTC, hours
    activity: np.ndarray  # relative number of visits
    taste: np.ndarray  # place in the ring of topics, 0 to 1
    liking: np.ndarray  # factor on the chance to like
    created_us: np.ndarray  # known here even where the table has a null
    own_device: np.ndarray  # index into `devices`
    second_device: np.ndarray
    family_device: np.ndarray
    home: np.ndarray  # index into `addresses`
    carrier: np.ndarray  # first of ADDRESSES_A_CARRIER addresses of the phone company
    campus: np.ndarray
    devices: np.ndarray  # opaque ids
    addresses: np.ndarray


@dataclass(frozen=True)
class Catalogue:
    """What the traffic needs to know of every video, by row of the videos table."""

    creator: np.ndarray  # row of the users table
    created_us: np.ndarray
    duration_s: np.ndarray
    taste: np.ndarray
    events: np.ndarray  # how many events the video gets
    quality: np.ndarray  # factor on the chance of a like
    premiere: np.ndarray  # whether followers wait for it
    offence: np.ndarray  # factor on the chance of a report
    friends: np.ndarray  # one row of FRIENDS users for every row of the users table that is a creator, else -1


def population(plan: Plan) -> tuple[pa.Table, People]:
    """The users table and the habits behind it."""
    rng = stream(plan.seed, "users")
    n = plan.users
    age_days = np.minimum(rng.lognormal(np.log(420), 1.25, n), 4000)
    joined_lately = rng.random(n) < 0.04
    age_days = np.where(joined_lately, rng.random(n) * plan.days, np.maximum(age_days, plan.days + 0.01))
    created = plan.end_us - (age_days * DAY_US).astype(np.int64)
    creator = np.zeros(n, bool)
    creator[rng.permutation(n)[: plan.creators]] = True
    created = np.where(creator, np.minimum(created, plan.start_us - 30 * DAY_US), created)

    kyc = np.where(creator, rng.choice(4, n, p=[0.06, 0.16, 0.43, 0.35]), rng.choice(4, n, p=[0.7, 0.2, 0.08, 0.02]))
    viewer_trust = np.clip(rng.normal(52, 12, n) + 10 * np.log10(np.maximum(age_days, 1) / 100), 2, 99)
    creator_trust = np.clip(rng.normal(58, 14, n), 2, 99)
    users = users_table(
        id=np.arange(plan.first_id, plan.first_id + n),
        created_at=times(created, missing=rng.random(n) < 0.003),
        is_creator=creator,
        likely_bot=rng.random(n) < 0.002,
        kyc_level=pa.array(kyc, pa.int32(), mask=rng.random(n) < 0.005),
        creator_trust_score=pa.array(np.round(creator_trust, 1), mask=~creator | (rng.random(n) < 0.2)),
        viewer_trust_score=pa.array(np.round(viewer_trust, 1), mask=rng.random(n) < 0.4),
    )
    return users, _people(plan, rng, created)


def _people(plan: Plan, rng: np.random.Generator, created_us: np.ndarray) -> People:
    n = plan.users
    hours, shares = zip(*ZONES, strict=True)
    zone = rng.choice(len(hours), n, p=np.array(shares) / sum(shares))
    # Households of one to five; some of them share a tablet or a television.
    household = np.repeat(np.arange(n), rng.choice([1, 2, 3, 4, 5], n, p=[0.45, 0.25, 0.13, 0.12, 0.05]))[:n]
    zone = zone[household]
    own = np.arange(n)
    second = np.where(rng.random(n) < 0.3, n + np.arange(n), -1)
    alone = np.bincount(household, minlength=n)[household] == 1
    shared = (rng.random(n) < 0.5)[household] & ~alone
    family = np.where(shared, 2 * n + household, -1)
    carriers = CARRIERS * len(hours)
    carrier = n + (zone * CARRIERS + rng.integers(0, CARRIERS, n)) * ADDRESSES_A_CARRIER
    campuses = max(1, n // 600)
    campus_base = n + carriers * ADDRESSES_A_CARRIER
    campus = np.where(rng.random(n) < 0.12, campus_base + rng.integers(0, campuses, n), -1)
    return People(
        zone_h=np.array(hours)[zone],
        activity=rng.lognormal(0, 1.1, n),
        taste=rng.random(n),
        liking=rng.lognormal(-0.3, 0.8, n),
        created_us=created_us,
        own_device=own,
        second_device=second,
        family_device=family,
        home=household,
        carrier=carrier,
        campus=campus,
        devices=hex_ids(rng, 3 * n),
        addresses=hex_ids(rng, campus_base + campuses),
    )


def catalogue(plan: Plan, users: pa.Table, people: People) -> tuple[pa.Table, Catalogue]:
    """The videos table of the creators and what the traffic needs beside it."""
    rng = stream(plan.seed, "videos")
    creators = np.flatnonzero(users["is_creator"].to_numpy(zero_copy_only=False))
    spread = plan.max_videos - plan.min_videos + 1
    counts = plan.min_videos + np.floor(spread * rng.beta(0.8, 2.2, len(creators))).astype(np.int64)
    creator = np.repeat(creators, counts)
    m = len(creator)
    # Most uploads of the window come in the hours before the evening; the others are older.
    day = rng.integers(0, plan.days, m)
    hour = (rng.normal(17, 3.5, m) - people.zone_h[creator]) % 24
    inside = plan.start_us + day * DAY_US + (hour * HOUR_US).astype(np.int64)
    older = plan.start_us - (rng.exponential(30, m) * DAY_US).astype(np.int64)
    created = np.where(rng.random(m) < 0.65, np.minimum(inside, plan.end_us - HOUR_US), older)
    created = np.maximum(created, people.created_us[creator] + HOUR_US)
    by_time = np.argsort(created, kind="stable")
    creator, created = creator[by_time], created[by_time]

    fame = rng.normal(0, 1, plan.users)[creator] * 0.75 + rng.normal(0, 1, m) * 0.65
    duration = np.round(np.clip(rng.lognormal(np.log(28), 0.7, m), 4, 600), 1)
    taste = (people.taste[creator] + rng.normal(0, 0.03, m)) % 1
    friends = np.full((plan.users, FRIENDS), -1)
    friends[creators] = rng.integers(0, plan.users, (len(creators), FRIENDS))
    found = Catalogue(
        creator=creator,
        created_us=created,
        duration_s=duration,
        taste=taste,
        events=_heavy_tail(fame, plan.min_events, plan.max_events),
        quality=rng.lognormal(0, 0.45, m),
        premiere=(rng.random(m) < 0.12) & (created >= plan.start_us),
        offence=np.where(rng.random(m) < 0.02, 40.0, 1.0),
        friends=friends,
    )
    topic = np.array(TOPICS)[(taste * len(TOPICS)).astype(int) % len(TOPICS)]
    titles = np.char.add(np.char.add(topic, " №"), np.arange(1, m + 1).astype(str))
    videos = videos_table(
        id=np.arange(plan.first_id, plan.first_id + m),
        creator_id=creator + plan.first_id,
        created_at=times(created),
        title=pa.array(titles.tolist(), mask=rng.random(m) < 0.01),
        duration_s=pa.array(duration, mask=rng.random(m) < 0.01),
    )
    return videos, found


def _heavy_tail(fame: np.ndarray, low: int, high: int) -> np.ndarray:
    """Events by video: a Pareto law with exponent 0.9 cut to `[low, high]`, in the order of fame."""
    if len(fame) == 0 or low == high:
        return np.full(len(fame), low, np.int64)
    rank = np.empty(len(fame))
    rank[np.argsort(fame, kind="stable")] = (np.arange(len(fame)) + 0.5) / len(fame)
    exponent, bottom, top = 0.9, low + 1.0, high + 1.0
    tail = bottom**-exponent - rank * (bottom**-exponent - top**-exponent)
    return np.clip(np.floor(tail ** (-1 / exponent) - 1), low, high).astype(np.int64)
