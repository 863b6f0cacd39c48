"""Weeks and attacks as somebody else would write them: other habits, plainer robots, other null columns.

Nothing of how people and attackers behave is shared with `data`: no sessions by taste and no friends, but favourites,
ages and times drawn evenly. The scoring was not fitted to what is drawn here from seed 1000 on.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from core.tables import EVENTS, USERS, VIDEOS
from data.world import ROLES_SCHEMA, TARGETS_SCHEMA, Attack, World

DAY = 86_400 * 10**6
END = 1_780_876_800 * 10**6
START = END - 7 * DAY
KINDS = ("view", "like", "comment", "share", "follow", "report", "pause")


def stamp(us):
    return pa.array(np.asarray(us).astype(np.int64)).cast(pa.timestamp("us", "UTC"))


def table(spec, rows, **columns):
    arrays = [
        columns[f.name].cast(f.type)
        if isinstance(columns.get(f.name), pa.Array)
        else pa.nulls(rows, f.type)
        if columns.get(f.name) is None
        else pa.array(columns[f.name], f.type)
        for f in spec.schema
    ]
    return pa.Table.from_arrays(arrays, schema=spec.schema)


def words(prefix, numbers):
    """Names, null for negative numbers."""
    numbers = np.asarray(numbers)
    return pa.array(np.char.add(prefix, numbers.astype(str)), mask=numbers < 0)


def user_rows(ids, age_days, kyc, creator=False, trust=None):
    n = len(ids)
    return table(
        USERS,
        n,
        id=ids,
        created_at=stamp(END - np.asarray(age_days) * DAY),
        is_creator=np.full(n, creator),
        likely_bot=np.zeros(n, bool),
        kyc_level=np.asarray(kyc).astype(int),
        viewer_trust_score=trust,
    )


def video_rows(ids, owner, created, rng):
    return table(
        VIDEOS,
        len(ids),
        id=ids,
        creator_id=owner,
        created_at=stamp(created),
        duration_s=rng.uniform(10, 90, len(ids)).round(1),
    )


def event_rows(video, user, kind, ts, device, address):
    order = np.argsort(ts, kind="stable")
    take = pa.array(order)
    return table(
        EVENTS,
        len(ts),
        event_id=np.arange(1, len(ts) + 1),
        video_id=np.asarray(video)[order],
        user_id=np.asarray(user)[order],
        event_type=np.asarray(KINDS)[np.asarray(kind)[order]],
        ts=stamp(np.asarray(ts)[order]),
        device_id=device.take(take),
        ip_hash=address.take(take),
    )


def acts(rng, user, video, ts, device, address, like=0.0, comment=0.0, share=0.0, follow=0.0, report=0.0, view=1.0):
    """Rows of a view each and what follows it: columns as a list of arrays."""
    parts = []
    for code, chance in ((0, view), (1, like), (2, comment), (3, share), (4, follow), (5, report)):
        keep = rng.random(len(user)) < chance
        parts.append(
            (
                video[keep],
                user[keep],
                np.full(keep.sum(), code),
                ts[keep] + code * 3 * 10**6,
                device[keep],
                address[keep],
            )
        )
    return [np.concatenate(c) for c in zip(*parts, strict=True)]


def week(seed, viewers=None, creators=None):
    """An honest week: people with a few favourites and the hits of the day; evenly spread or in sittings."""
    rng = np.random.default_rng([seed, 77])
    viewers = viewers or int(rng.integers(2_000, 8_000))
    creators = creators or max(40, viewers // 100)
    cid = np.arange(1, creators + 1)
    vid_n = rng.integers(2, 12, creators)
    owner = np.repeat(np.arange(creators), vid_n)
    m = len(owner)
    created = START + (rng.random(m) * 1.6 - 0.7) * 7 * DAY
    created = np.minimum(created, END - DAY / 12)
    fame = rng.pareto(1.1, creators) + 0.05
    pop = fame[owner] * rng.lognormal(0, 0.6, m)
    ids = np.arange(1, creators + viewers + 1)
    age = np.concatenate(
        [
            rng.uniform(60, 1500, creators),
            np.where(rng.random(viewers) < 0.08, rng.uniform(0.1, 30, viewers), rng.uniform(30, 1500, viewers)),
        ]
    )
    kyc = np.concatenate(
        [rng.choice(4, creators, p=[0.1, 0.2, 0.4, 0.3]), rng.choice(4, viewers, p=[0.75, 0.18, 0.05, 0.02])]
    )
    trust = pa.array(np.clip(rng.normal(55, 12, len(ids)), 5, 95).round(1), mask=rng.random(len(ids)) < 0.5)
    users = user_rows(ids, age, kyc, trust=trust)
    is_creator = pa.array(ids <= creators)
    users = users.set_column(USERS.schema.get_field_index("is_creator"), USERS.schema.field("is_creator"), is_creator)
    # sittings
    lam = rng.gamma(0.7, 4.5, len(ids))
    sittings = rng.poisson(lam)
    who = np.repeat(np.arange(len(ids)), sittings)
    length = rng.geometric(1 / rng.uniform(2, 6), len(who))
    start = (
        START + rng.integers(0, 7, len(who)) * DAY + ((rng.normal(19, 4, len(who)) % 24) * DAY / 24).astype(np.int64)
    )
    who, start = np.repeat(who, length), np.repeat(start, length)
    if seed % 3 == 0:
        ts = START + (rng.random(len(who)) * 7 * DAY).astype(np.int64)
    else:
        ts = start + (rng.random(len(who)) * 1200e6 + 5e6).astype(np.int64)
    n = len(who)
    cum = np.cumsum(pop)
    video = np.minimum(np.searchsorted(cum, rng.random(n) * cum[-1]), m - 1)
    favs = np.searchsorted(np.cumsum(fame), rng.random((len(ids), 4)) * fame.sum()).clip(0, creators - 1)
    first = np.concatenate([[0], np.cumsum(vid_n)])
    fav = rng.random(n) < 0.35
    c = favs[who, rng.integers(0, 4, n)]
    video = np.where(fav, first[c] + (rng.random(n) * vid_n[c]).astype(int), video)
    # not before it is there, nor before the account is
    born = np.maximum(created[video], END - age[who] * DAY)
    late = ts < born
    ts = np.where(late, born + rng.random(n) * np.maximum(END - born, 1), ts).astype(np.int64)
    ts = np.clip(ts, START, END - 60 * 10**6)
    phone = who.copy()
    laptop = len(ids) + who
    tv = 3 * len(ids) + who // 4
    roll = rng.random(n)
    dev = np.where(roll < 0.7, phone, np.where(roll < 0.9, laptop, np.where(who % 3 == 0, tv, phone)))
    dev = np.where(who % 40 == 0, -1, dev)
    addr = np.where(rng.random(n) < 0.6, who // 3, 10**7 + rng.integers(0, 60, n))
    quality = rng.lognormal(0, 0.4, m)[video]
    mood = rng.lognormal(-0.2, 0.7, len(ids))[who]
    like = np.minimum(0.7, 0.09 * quality * mood * np.where(fav, 2.0, 1.0))
    comment = like * 0.15
    cols = acts(
        rng,
        ids[who],
        video + 1,
        ts,
        dev,
        addr,
        like=like,
        comment=comment,
        share=like * 0.08,
        follow=like * 0.05,
        report=0.0005,
    )
    video_, user_, code, ts_, dev_, addr_ = cols
    videos = video_rows(np.arange(1, m + 1), cid[owner], created, rng)
    events = event_rows(video_, user_, code, ts_, words("d", dev_), words("a", addr_))
    return World.of(users, videos, events, start_us=START, end_us=END)


class Crime:
    """What an attack adds; ids count up from the world's."""

    def __init__(self, world, rng):
        self.w, self.rng = world, rng
        self.next_u, self.next_v = world.next_user_id, world.next_video_id
        self.users, self.videos, self.cols, self.roles, self.targets = [], [], [], [], []

    def people(self, n, age, kyc=0):
        ids = np.arange(self.next_u, self.next_u + n)
        self.next_u += n
        self.users.append(user_rows(ids, np.broadcast_to(age, n), np.full(n, kyc)))
        self.roles.append((ids, "bot"))
        return ids

    def clips(self, creators=1, each=3):
        rng = self.rng
        own = self.people(creators, 100, 3)
        ids = np.arange(self.next_v, self.next_v + creators * each)
        self.next_v += len(ids)
        created = START + rng.random(len(ids)) * 4 * DAY
        o = np.repeat(own, each)
        self.videos.append(video_rows(ids, o, created, rng))
        self.targets.append((ids, o, "gain"))
        return ids, created, o

    def existing(self, n, creators=False, min_age=30):
        u = self.w.users
        ids = u["id"].to_numpy()
        born = u["created_at"].cast(pa.int64()).to_numpy()
        ok = (END - born > min_age * DAY) & (u["is_creator"].to_numpy(zero_copy_only=False) == creators)
        got = self.rng.permutation(ids[ok])[:n]
        self.roles.append((got, "member"))
        return got

    def rival(self):
        v = self.w.videos
        c = v["creator_id"].to_numpy()
        count = np.bincount(c, self.w.events_by_video)
        ranked = np.argsort(-count)
        ranked = ranked[count[ranked] > 0]
        chosen = ranked[self.rng.integers(0, max(1, len(ranked) // 2))]
        rows = np.flatnonzero(c == chosen)
        ids = v["id"].to_numpy()[rows]
        self.targets.append((ids, c[rows], "harm"))
        self.roles.append((np.array([chosen]), "victim"))
        return ids, v["created_at"].cast(pa.int64()).to_numpy()[rows]

    def popular(self, n):
        v = self.w.events_by_video.astype(float)
        cum = np.cumsum(v)
        at = np.searchsorted(cum, self.rng.random(n) * cum[-1])
        return self.w.videos["id"].to_numpy()[at], self.w.videos["created_at"].cast(pa.int64()).to_numpy()[at]

    def any_time(self, born):
        low = np.maximum(born, START)
        return (low + self.rng.random(len(low)) * (END - 120e6 - low)).astype(np.int64)

    def do(self, user, video, ts, device, address, **chances):
        n = len(user)
        self.cols.append(
            acts(
                self.rng,
                user,
                video,
                np.minimum(ts, END - 60 * 10**6),
                np.broadcast_to(device, n),
                np.broadcast_to(address, n),
                **chances,
            )
        )

    def camouflage(self, bots, each, device, address, like=0.08):
        if each <= 0:
            return
        who = np.repeat(np.arange(len(bots)), each)
        v, born = self.popular(len(who))
        self.do(bots[who], v, self.any_time(born), np.asarray(device)[who], np.asarray(address)[who], like=like)

    def done(self, name, devices=0):
        video, user, code, ts, dev, addr = [np.concatenate(c) for c in zip(*self.cols, strict=True)]
        ev = event_rows(video, user, code, ts, words("x", dev), words("y", addr))
        e = self.w.users.slice(0, 0)
        roles = pa.table(
            {
                "user_id": np.concatenate([i for i, _ in self.roles]),
                "role": np.concatenate([np.full(len(i), r, object) for i, r in self.roles]),
            },
            schema=ROLES_SCHEMA,
        )
        t = pa.table(
            {
                "video_id": np.concatenate([v for v, _, _ in self.targets]),
                "creator_id": np.concatenate([c for _, c, _ in self.targets]),
                "effect": np.concatenate([np.full(len(v), e_, object) for v, _, e_ in self.targets]),
            },
            schema=TARGETS_SCHEMA,
        )
        return Attack(
            name,
            {},
            pa.concat_tables([e, *self.users]),
            pa.concat_tables([self.w.videos.slice(0, 0), *self.videos]),
            ev,
            roles,
            t,
            devices,
        )


def size(rng, w, low, high):
    """A number of accounts that fits a week of this many events."""
    f = min(1.0, max(0.15, w.events.num_rows / 400_000))
    return max(5, int(np.exp(rng.uniform(np.log(low), np.log(high))) * f))


def flat_farm(w, rng):
    """Accounts of exactly 200 days on a dozen phones."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, 3)
    n = size(rng, w, 200, 800)
    b = c.people(n, 200.0)
    each = int(rng.integers(5, 40))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    d = who % 12
    c.do(b[who], ids[t], c.any_time(born[t]), d, d % 4, like=0.5, comment=0.05)
    return c.done("flat_farm", 12)


def blank_drip(w, rng):
    """Old accounts that tell neither device nor address, three likes a day, half of it camouflage."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, int(rng.integers(1, 5)))
    n = size(rng, w, 100, 500)
    b = c.people(n, rng.uniform(35, 700, n))
    each = int(rng.integers(4, 20))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    c.do(b[who], ids[t], c.any_time(born[t]), -1, -1, like=float(rng.uniform(0.2, 0.9)), comment=0.1)
    c.camouflage(b, int(each * rng.uniform(0, 1.5)), np.full(n, -1), np.full(n, -1))
    return c.done("blank_drip")


def mules20(w, rng):
    """Twenty verified people, forty acts each, and their own life."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, 4)
    n = size(rng, w, 20, 80)
    b = c.people(n, rng.uniform(200, 900, n), 2)
    each = int(rng.integers(8, 60))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    own = np.arange(n)
    c.do(b[who], ids[t], c.any_time(born[t]), who, who, like=0.6, comment=0.3, share=0.15)
    c.camouflage(b, int(rng.integers(5, 60)), own, own)
    return c.done("mules20")


def loose_ring(w, rng):
    """Members like each of the ring's videos some time in the day after its upload."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(int(rng.integers(2, 8)), 4)
    n = size(rng, w, 40, 150)
    b = c.people(n, rng.uniform(60, 500, n), 1)
    who = np.repeat(np.arange(n), len(ids))
    t = np.tile(np.arange(len(ids)), n)
    ts = (born[t] + rng.random(len(who)) * rng.uniform(0.1, 24) / 24 * DAY).astype(np.int64)
    c.do(b[who], ids[t], ts, who, who // 2, like=0.95, share=0.1)
    c.camouflage(b, int(rng.integers(0, 40)), np.arange(n), np.arange(n) // 2)
    return c.done("loose_ring")


def spread_theft(w, rng):
    """Honest people's log-ins used three to ten times from fifty machines."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, 3)
    n = size(rng, w, 150, 600)
    b = c.existing(n)
    n = len(b)
    each = int(rng.integers(2, 10))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    m = max(2, n // int(rng.integers(3, 30)))
    c.do(b[who], ids[t], c.any_time(born[t]), who % m, who % m, like=0.6, share=0.1)
    return c.done("spread_theft", m)


def loose_pod(w, rng):
    """Creators who comment on some of each other's videos, from their usual places."""
    c = Crime(w, rng)
    p = c.existing(int(rng.integers(6, 16)), creators=True)
    v = w.videos
    own = v["creator_id"].to_numpy()
    rows = np.flatnonzero(np.isin(own, p))
    ids, o = v["id"].to_numpy()[rows], own[rows]
    born = v["created_at"].cast(pa.int64()).to_numpy()[rows]
    c.targets.append((ids, o, "gain"))
    who = np.repeat(np.arange(len(p)), len(ids))
    t = np.tile(np.arange(len(ids)), len(p))
    k = (p[who] != o[t]) & (rng.random(len(who)) < rng.uniform(0.3, 0.9))
    who, t = who[k], t[k]
    who, t = np.tile(who, 2), np.tile(t, 2)
    c.do(p[who], ids[t], c.any_time(born[t]), who, who, like=0.8, comment=0.6)
    return c.done("loose_pod")


def replay(w, rng):
    """Old accounts with phones of their own that play videos, and never like."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, 4)
    n = size(rng, w, 60, 300)
    b = c.people(n, rng.uniform(40, 160, n))
    each = int(rng.integers(20, 150))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    c.do(b[who], ids[t], c.any_time(born[t]), who, who // 3)
    return c.done("replay")


def first_hour(w, rng):
    """Accounts of two months, there within the hour of each upload."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, int(rng.integers(1, 8)))
    n = size(rng, w, 80, 400)
    b = c.people(n, rng.uniform(30, 90, n))
    who = np.repeat(np.arange(n), len(ids))
    t = np.tile(np.arange(len(ids)), n)
    c.do(b[who], ids[t], (born[t] + rng.random(len(who)) * DAY / 24).astype(np.int64), who, who, like=0.2)
    c.camouflage(b, int(rng.integers(0, 6)), np.arange(n), np.arange(n))
    return c.done("first_hour")


def aged_net(w, rng):
    """Two-months-old accounts behind homes, one to three acts each."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, 2)
    n = size(rng, w, 800, 3000)
    b = c.people(n, rng.uniform(31, 120, n))
    who = np.repeat(np.arange(n), rng.integers(1, 4, n))
    t = rng.integers(0, len(ids), len(who))
    c.do(b[who], ids[t], c.any_time(born[t]), who, who, like=0.4)
    c.camouflage(b, int(rng.integers(0, 3)), np.arange(n), np.arange(n))
    return c.done("aged_net")


def old_rack(w, rng):
    """Racks of phones with accounts of months, sixty percent camouflage, some acts without a device."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(2, 3)
    n = size(rng, w, 200, 600)
    b = c.people(n, rng.uniform(60, 300, n))
    each = int(rng.integers(5, 30))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    per = int(rng.integers(4, 20))
    d = np.where(rng.random(len(who)) < 0.2, -1, who // per)
    c.do(b[who], ids[t], c.any_time(born[t]), d, who % 7, like=0.4, comment=0.05)
    c.camouflage(b, int(each * 1.5), np.arange(n) // per, np.arange(n) % 7)
    return c.done("old_rack", n // per)


def fresh_farm(w, rng):
    """Three hundred new accounts, ten machines, round the clock."""
    c = Crime(w, rng)
    ids, born, _ = c.clips(1, 3)
    n = size(rng, w, 150, 900)
    b = c.people(n, rng.uniform(0.1, 7, n))
    who = np.repeat(np.arange(n), 30)
    t = rng.integers(0, len(ids), len(who))
    c.do(b[who], ids[t], c.any_time(born[t]), who % 10, who % 3, like=0.1)
    return c.done("fresh_farm", 10)


def frame_aged(w, rng):
    """Robots with old accounts are sent to a rival."""
    c = Crime(w, rng)
    ids, born = c.rival()
    n = size(rng, w, 100, 600)
    b = c.people(n, rng.uniform(1, 10, n))
    each = int(rng.integers(3, 30))
    who = np.repeat(np.arange(n), each)
    t = rng.integers(0, len(ids), len(who))
    c.do(b[who], ids[t], c.any_time(born[t]), who % 8, who % 2, like=0.7, comment=0.1)
    return c.done("frame_aged", 8)


def mob(w, rng):
    """Old accounts report a rival, half of them after a view."""
    c = Crime(w, rng)
    ids, born = c.rival()
    n = size(rng, w, 150, 600)
    b = c.people(n, rng.uniform(20, 900, n))
    who = np.repeat(np.arange(n), 2)
    t = rng.integers(0, len(ids), len(who))
    c.do(b[who], ids[t], c.any_time(born[t]), who, who, view=0.5, report=1.0)
    return c.done("mob")


CRIMES = {
    f.__name__: f
    for f in (
        flat_farm,
        blank_drip,
        mules20,
        loose_ring,
        spread_theft,
        loose_pod,
        replay,
        first_hour,
        aged_net,
        old_rack,
        fresh_farm,
        frame_aged,
        mob,
    )
}
