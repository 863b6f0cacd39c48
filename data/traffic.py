"""Honest events: visits of people to videos, and what they do there.

Every video gets exactly the number of events that the catalogue says. A *slot* is one viewing of a video;
most slots are dealt out to sessions (a person, an hour of their day, a few videos in a row of the same
taste), the others are direct visits: premieres that followers wait for, friends of small creators, links sent
around. All steps are on whole arrays; `slot` arrays have one element a viewing, `sitting` arrays one element
a session or direct visit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.plan import Plan
from data.population import ADDRESSES_A_CARRIER, FRIENDS, Catalogue, People
from data.world import DAY_US, HOUR_US, SECOND_US, TYPE_CODE, events_table, numbered, stream

# How many of a day's visits start in each local hour: a trough before dawn, a peak after dinner.
HOURS = np.array(
    [3, 1.6, 0.9, 0.6, 0.5, 0.6, 1.2, 2.2, 2.8, 2.8, 2.8, 3, 3.6, 3.4, 3, 3.1, 3.6, 4.4, 5.4, 6.4, 7.2, 7.4, 6.6, 4.8]
)
VIEWS_A_SESSION = 7
# Chance of each act after a view; for a friend of the creator times the second figure.
ACTS = (("like", 0.075, 4.0), ("comment", 0.014, 6.0), ("share", 0.009, 2.0), ("follow", 0.006, 3.0))
PAUSE, REPORT = 0.05, 0.0004


@dataclass
class Slots:
    """Viewings, video by video."""

    video: np.ndarray  # row of the videos table
    user: np.ndarray  # row of the users table
    ts_us: np.ndarray
    device: np.ndarray  # index into People.devices, -1 unknown
    address: np.ndarray
    friend: np.ndarray  # the viewer is a friend of the creator


def honest_events(plan: Plan, people: People, videos: Catalogue) -> pa.Table:
    """The events table, sorted by time and numbered from `plan.first_id`."""
    rng = stream(plan.seed, "events")
    slots = _slots(plan, rng, people, videos)
    video, user, code, ts_us, device, address = _acts(plan, rng, people, videos, slots)
    order = np.argsort(ts_us, kind="stable")
    device = np.where(rng.random(len(order)) < 0.003, -1, device)
    table = events_table(
        video_id=(video + plan.first_id)[order],
        user_id=(user + plan.first_id)[order],
        code=code[order],
        ts_us=ts_us[order],
        device_id=_ids(people.devices, device[order]),
        ip_hash=_ids(people.addresses, address[order]),
    )
    return numbered(table, plan.first_id)


def _ids(pool: np.ndarray, at: np.ndarray) -> pa.Array:
    """Opaque ids by index; null where the index is -1."""
    return pa.array(pool).take(pa.array(at, mask=at < 0))


def _slots(plan: Plan, rng: np.random.Generator, people: People, videos: Catalogue) -> Slots:
    video = np.repeat(np.arange(len(videos.events)), videos.events)
    n = len(video)
    ts_us = _when(plan, rng, videos, video)
    user = np.full(n, -1)
    friend = np.zeros(n, bool)

    # Friends are a large part of a small audience and a vanishing part of a large one.
    chance = np.minimum(0.45, 18 / np.maximum(videos.events, 1))
    friend = rng.random(n) < chance[video]
    friends = videos.friends[videos.creator[video], rng.integers(0, FRIENDS, n)]
    user[friend] = friends[friend]

    rush = videos.premiere[video] & (rng.random(n) < 0.35)
    soon = videos.created_us[video] + (rng.exponential(14 * 60, n) * SECOND_US).astype(np.int64)
    linked = rng.random(n) < 0.06
    ts_us = np.where(rush, soon, ts_us)
    direct = (rush | linked) & ~friend
    user[direct] = _like_minded(rng, people, videos.taste[video[direct]], 0.04)

    seated = ~(friend | direct)
    sitting_user, sitting, seat_ts = _sessions(plan, rng, people, videos, video[seated], ts_us[seated])
    user[seated] = sitting_user
    ts_us[seated] = seat_ts
    alone = np.flatnonzero(~seated)
    visit = np.empty(n, np.int64)
    visit[seated] = sitting
    visit[alone] = (int(sitting.max()) + 1 if len(sitting) else 0) + np.arange(len(alone))

    # Few people watch the same video again and again: most repeated viewings become somebody else's first.
    again = _repeated(user * len(videos.events) + video) & (rng.random(n) < 0.85) & ~friend
    user[again] = _like_minded(rng, people, videos.taste[video[again]], 0.08)
    visit[again] = visit.max(initial=0) + 1 + np.arange(int(again.sum()))

    # Nothing is watched before it is published, or by an account that did not exist.
    early = ts_us < videos.created_us[video]
    ts_us = np.where(early, videos.created_us[video] + (rng.exponential(2, n) * HOUR_US).astype(np.int64), ts_us)
    first_us = np.maximum(plan.start_us, np.maximum(videos.created_us[video], people.created_us[user]))
    out = (ts_us < first_us) | (ts_us >= plan.end_us)
    spread = first_us + (rng.random(n) ** 2 * (plan.end_us - first_us)).astype(np.int64)
    ts_us = np.where(out, np.minimum(spread, plan.end_us - 1), ts_us)
    device, address = _from_where(rng, people, user, visit)
    return Slots(video, user, ts_us, device, address, friend)


def _when(plan: Plan, rng: np.random.Generator, videos: Catalogue, video: np.ndarray) -> np.ndarray:
    """A first idea of each viewing's time: interest falls with the age of a video by a power law."""
    quarter = DAY_US / 4
    born = videos.created_us[video]
    power = -rng.uniform(0.15, 1.1, len(videos.events))[video]  # one for each video
    low = 1 + np.maximum(plan.start_us - born, 0) / quarter
    high = 1 + np.maximum(plan.end_us - born, 1) / quarter
    age = (low**power + rng.random(len(video)) * (high**power - low**power)) ** (1 / power)
    ts_us = born + ((age - 1) * quarter).astype(np.int64)
    evergreen = rng.random(len(video)) < 0.15
    first = np.maximum(plan.start_us, born)
    anytime = first + (rng.random(len(video)) * (plan.end_us - first)).astype(np.int64)
    return np.clip(np.where(evergreen, anytime, ts_us), first, plan.end_us - 1)


def _like_minded(rng: np.random.Generator, people: People, taste: np.ndarray, width: float) -> np.ndarray:
    """Users whose taste is near, one for each element of `taste`."""
    order = np.argsort(people.taste, kind="stable")
    place = (taste + rng.laplace(0, width, len(taste))) % 1
    return order[np.searchsorted(people.taste[order], place) % len(order)]


def _sessions(
    plan: Plan,
    rng: np.random.Generator,
    people: People,
    videos: Catalogue,
    video: np.ndarray,
    ts_us: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deals viewings out to sessions of the same UTC day; returns user, session number and time of each
    viewing.
    """
    day = (ts_us - plan.start_us) // DAY_US
    need = np.bincount(day, minlength=plan.days)
    length, session_day = _session_lengths(rng, need)
    count = len(length)

    weights = np.cumsum(people.activity)
    user = np.searchsorted(weights, rng.random(count) * weights[-1])
    taste = np.where(rng.random(count) < 0.75, people.taste[user], rng.random(count))
    hour = np.searchsorted(np.cumsum(HOURS), rng.random(count) * HOURS.sum()) + rng.random(count)
    start = plan.start_us + session_day * DAY_US + ((hour - people.zone_h[user]) % 24 * HOUR_US).astype(np.int64)

    # Seats and viewings of a day are paired in the order of taste, blurred so that a session is no single
    # video.
    session = np.repeat(np.arange(count), length)
    n = len(session)
    seat_key = session_day[session] * 4 + (taste[session] + rng.normal(0, 0.05, n)) % 1
    slot_key = day * 4 + (videos.taste[video] + rng.normal(0, 0.05, n)) % 1
    seats, slots = np.argsort(seat_key, kind="stable"), np.argsort(slot_key, kind="stable")
    slot_of_seat = np.empty(n, np.int64)
    slot_of_seat[seats] = slots

    watched = videos.duration_s[video[slot_of_seat]] * np.minimum(1, rng.exponential(0.7, n))
    pause = rng.lognormal(1.5, 0.9, n)
    run = np.cumsum(watched + pause)
    offset = run - np.repeat(run[np.cumsum(length) - length], length)
    seat_ts = start[session] + (offset * SECOND_US).astype(np.int64)
    out_user, out_session, out_ts = (np.empty(n, np.int64) for _ in range(3))
    out_user[slot_of_seat] = user[session]
    out_session[slot_of_seat] = session
    out_ts[slot_of_seat] = seat_ts
    return out_user, out_session, out_ts


def _session_lengths(rng: np.random.Generator, need: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of sessions (geometric) that fill the `need` of every day exactly, and the day of each."""
    lengths, days = [], []
    for day, wanted in enumerate(need.tolist()):
        drawn = rng.geometric(1 / VIEWS_A_SESSION, wanted)
        used = int(np.searchsorted(np.cumsum(drawn), wanted)) + 1 if wanted else 0
        drawn = drawn[:used]
        if wanted:
            drawn[-1] -= int(drawn.sum()) - wanted
        lengths.append(drawn)
        days.append(np.full(used, day))
    return np.concatenate(lengths).astype(np.int64), np.concatenate(days).astype(np.int64)


def _repeated(key: np.ndarray) -> np.ndarray:
    """True for every element whose value stood before it already."""
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    return again


def _from_where(
    rng: np.random.Generator, people: People, user: np.ndarray, visit: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Device and address of each viewing; the same throughout one visit of one person."""
    n = int(visit.max(initial=-1)) + 1
    roll, place, which = rng.random(n)[visit], rng.random(n)[visit], rng.integers(0, ADDRESSES_A_CARRIER, n)[visit]
    device = people.own_device[user]
    device = np.where((roll < 0.25) & (people.second_device[user] >= 0), people.second_device[user], device)
    device = np.where((roll > 0.8) & (people.family_device[user] >= 0), people.family_device[user], device)
    device = np.where((user % 127 == 0), -1, device)  # some browsers tell nothing
    address = np.where(place < 0.5, people.home[user], people.carrier[user] + which)
    address = np.where((place > 0.85) & (people.campus[user] >= 0), people.campus[user], address)
    return device, np.where(place < 0.004, -1, address)


def _acts(
    plan: Plan, rng: np.random.Generator, people: People, videos: Catalogue, slots: Slots
) -> tuple[np.ndarray, ...]:
    """Views and what follows them, cut to the number of events of each video; columns of the events."""
    n = len(slots.video)
    first = ~_repeated(slots.user * len(videos.events) + slots.video)
    fresh = ~_repeated(slots.user * plan.users + videos.creator[slots.video])
    liking = (people.liking[slots.user] * videos.quality[slots.video]).clip(0.02, 8)
    parts = [np.arange(n)]
    codes = [np.full(n, TYPE_CODE["view"])]
    for act, chance, friendly in ACTS:
        p = np.minimum(0.85, chance * liking * np.where(slots.friend, friendly, 1))
        allowed = fresh if act == "follow" else first  # nobody follows twice; likes and the like come once
        parts.append(np.flatnonzero((rng.random(n) < p) & allowed))
        codes.append(np.full(len(parts[-1]), TYPE_CODE[act]))
    for act, p in (("pause", np.full(n, PAUSE)), ("report", REPORT * videos.offence[slots.video])):
        parts.append(np.flatnonzero((rng.random(n) < p) & (first | (act == "pause"))))
        codes.append(np.full(len(parts[-1]), TYPE_CODE[act]))

    slot, code = np.concatenate(parts), np.concatenate(codes)
    order = np.argsort(slot * 8 + np.where(code == 0, 0, 1 + code), kind="stable")
    slot, code = slot[order], code[order]
    video = slots.video[slot]
    begin = np.searchsorted(video, np.arange(len(videos.events)))
    kept = np.arange(len(video)) - begin[video] < videos.events[video]
    slot, code, video = slot[kept], code[kept], video[kept]

    delay = np.where(code == 0, 0, rng.uniform(0.15, 1.1, len(slot)) * videos.duration_s[video])
    delay += np.where(code == TYPE_CODE["comment"], rng.exponential(25, len(slot)), 0)
    ts_us = np.minimum(slots.ts_us[slot] + (delay * SECOND_US).astype(np.int64), plan.end_us - 1)
    return video, slots.user[slot], code, ts_us, slots.device[slot], slots.address[slot]
