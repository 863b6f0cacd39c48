"""Who is one viewer: each family on a few events, the rule that two must speak, and what is no evidence."""

from __future__ import annotations

import time
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from bot_account_detection import families
from bot_account_detection.thresholds import THRESHOLDS as T
from bot_account_detection.viewer_weights import FAMILIES, REASONS, combine, weigh
from core.engine import connect
from core.tables import EVENTS, USERS
from tests.scoring.tables import DAY, at, event, events, users, videos

OLD = at("2022-11-01T00:00")


def people(*ids, **more):
    return [{"id": i, "created_at": OLD, "kyc_level": 1} | more for i in ids]


def clips(count, creator=900):
    return [{"id": v, "creator_id": creator + v, "created_at": at("01 00:00")} for v in range(1, count + 1)]


def weights(rows, everybody, catalogue):
    with connect(threads=1) as con:
        con.register("users", users(everybody))
        con.register("videos", videos(catalogue))
        con.register("events", rows if isinstance(rows, pa.Table) else events(rows))
        return {row["user_id"]: row for row in weigh(con, DAY).to_pylist()}


def factors(**changed):
    return {name: np.array([changed.get(name, 1.0)]) for name in FAMILIES}


def test_one_family_alone_never_takes_an_established_account_under_one_half():
    for name in set(FAMILIES[1:]) - {"circle"}:
        assert combine(factors(**{name: 0.01}))[0] == 0.5


def test_a_circle_takes_nothing_from_what_its_members_do_elsewhere():
    assert combine(factors(circle=0.5, tier=0.9))[0] == 0.9
    assert combine(factors(circle=0.5, crowd=0.1))[0] == 0.5


def test_two_families_that_speak_may():
    assert combine(factors(device=0.1, crowd=0.5))[0] == pytest.approx(0.05)


def test_the_tier_is_none_of_the_two():
    assert combine(factors(tier=0.6, crowd=0.1))[0] == 0.5
    assert combine(factors(tier=0.04))[0] == 0.04
    assert combine(factors(tier=0.04, crowd=0.1))[0] < 0.01


def test_a_large_family_on_one_device_does_not_speak_against_a_fan():
    assert combine(factors(device=0.6, crowd=0.5))[0] == 0.5


def test_the_tier_grows_with_age_and_proof_without_a_step():
    ages = np.linspace(0, 1500, 3001)
    plain = families.tier(ages, np.zeros(3001), np.full(3001, np.nan), np.zeros(3001, bool))
    assert plain[0] == pytest.approx(T.tier_new)
    assert (np.diff(plain) >= 0).all()
    assert np.diff(plain).max() < 0.03
    assert plain[ages >= 30].min() >= 0.5
    verified = families.tier(ages, np.full(3001, 3.0), np.full(3001, np.nan), np.zeros(3001, bool))
    assert (verified > plain).all()


def test_what_is_unknown_is_no_evidence():
    rows = [event(u, "view", f"01 {u:02}:00", video=v) for u in range(1, 9) for v in (1, 2, 3)]
    found = weights(rows, [{"id": u} for u in range(1, 9)], clips(3))
    assert {row["weight"] for row in found.values()} == {1.0}
    assert {tuple(row["reasons"]) for row in found.values()} == {()}


def test_a_family_on_one_device_counts_in_full_and_a_farm_as_three_viewers():
    rows = [event(u, "view", f"01 {u:02}:00", video=u, device_id="tablet") for u in (1, 2, 3)]
    rows += [event(u, "view", f"01 {u % 24:02}:10", video=u % 20 + 4, device_id="rack") for u in range(10, 40)]
    found = weights(rows, people(1, 2, 3, *range(10, 40)), clips(24))
    assert [found[u]["device"] for u in (1, 2, 3)] == [1, 1, 1]
    assert sum(found[u]["device"] for u in range(10, 40)) == pytest.approx(3)
    assert REASONS["device"] in found[10]["reasons"]


def lockstep_rows(members, catalogue=(1, 2, 3)):
    return [event(u, "view", f"01 1{v}:{u % 9:02}", video=v) for u in members for v in catalogue]


def test_accounts_on_the_same_three_videos_within_minutes_are_one_cluster():
    rows = lockstep_rows(range(1, 21))
    rows += [event(u, "view", f"01 {(u * 7 + v) % 24:02}:30", video=v) for u in range(50, 70) for v in (4, 5, u - 44)]
    found = weights(rows, people(*range(1, 21), *range(50, 70)), clips(26))
    assert {found[u]["cluster_id"] for u in range(1, 21)} == {1}
    assert sum(found[u]["lockstep"] for u in range(1, 21)) == pytest.approx(2)
    assert {found[u]["cluster_id"] for u in range(50, 70)} == {None}
    assert {found[u]["lockstep"] for u in range(50, 70)} == {1.0}


def test_two_friends_who_watch_together_are_two_viewers():
    found = weights(lockstep_rows((1, 2)), people(1, 2), clips(3))
    assert found[1]["lockstep"] == 1.0
    assert found[1]["cluster_id"] is None


def test_a_spike_is_no_evidence():
    """A hundred people within five minutes on one video, and on nothing else together."""
    rows = [event(u, "view", f"01 12:{u % 5:02}", video=1) for u in range(1, 101)]
    rows += [
        event(u, "view", f"01 {u % 24:02}:30", video=2 + (u * u * k) % 397) for u in range(1, 101) for k in (1, 3, 7)
    ]
    found = weights(rows, people(*range(1, 101)), clips(400))
    assert min(row["weight"] for row in found.values()) >= 0.8
    assert {row["lockstep"] for row in found.values()} == {1.0}


def test_an_address_alone_is_no_evidence():
    rows = [event(u, "view", f"01 {u % 24:02}:{u % 60:02}", video=1 + u % 30, ip_hash="campus") for u in range(1, 200)]
    found = weights(rows, people(*range(1, 200)), clips(30))
    assert {row["together"] for row in found.values()} == {1.0}


def test_an_address_whose_people_keep_coming_together_counts_as_one_or_two():
    rows = [event(u, "view", f"01 1{v}:{u:02}", video=v, ip_hash="flat") for u in range(1, 7) for v in (1, 2, 3)]
    found = weights(rows, people(*range(1, 7)), clips(3))
    assert found[1]["together"] == pytest.approx(T.together_viewers / 6)


def test_a_pod_of_creators_is_capped_and_not_zeroed():
    catalogue = [{"id": c, "creator_id": c, "created_at": at("01 00:00")} for c in range(1, 401)]
    rows = [
        event(a, "view", f"01 {(3 * h + 5 * a) % 24:02}:{a:02}", video=b)
        for a in range(1, 6)
        for b in range(1, 6)
        if a != b
        for h in range(8)
    ]
    rows += [
        event(u, "view", f"01 {u % 24:02}:00", video=1 + (u * k) % 400) for u in range(500, 700) for k in range(1, 9)
    ]
    found = weights(rows, people(*range(1, 401), *range(500, 700)), catalogue)
    assert 0.5 <= found[1]["circle"] < 0.6
    assert found[1]["weight"] >= 0.45


def test_renaming_the_accounts_only_permutes():
    rows = lockstep_rows(range(1, 15)) + [event(u, "view", video=4, device_id=f"d{u // 5}") for u in range(1, 40)]
    plain = weights(rows, people(*range(1, 40)), clips(4))
    renamed = [row | {"user_id": 5_000 - 13 * row["user_id"]} for row in rows]
    other = weights(renamed, people(*(5_000 - 13 * u for u in range(1, 40))), clips(4))
    for u in range(1, 40):
        assert other[5_000 - 13 * u]["weight"] == plain[u]["weight"]


def a_hot_video(likes):
    """So many accounts like one video in the same minute from one address; each watches two other videos."""
    rng = np.random.default_rng(1)
    user = np.concatenate([np.arange(1, likes + 1)] * 3)
    count = len(user)
    hot = np.arange(count) < likes
    video = np.where(hot, 1, rng.integers(2, 4_000, count))
    when = DAY.start_us + np.where(hot, rng.integers(0, 60 * 10**6, count), rng.integers(0, 80_000 * 10**6, count))
    columns = {
        "event_id": np.arange(count),
        "video_id": video,
        "user_id": user,
        "event_type": pa.array(np.where(hot, "like", "view")),
        "ts": pa.array(when).cast(pa.timestamp("us", "UTC")),
        "device_id": pa.nulls(count, pa.string()),
        "ip_hash": pa.array(np.where(hot, "carrier", None)),
    }
    everybody = {name: pa.nulls(likes, kind) for name, kind in zip(USERS.schema.names, USERS.schema.types, strict=True)}
    everybody |= {"id": np.arange(1, likes + 1), "created_at": pa.array([OLD] * likes, pa.timestamp("us", "UTC"))}
    return pa.table(columns, schema=EVENTS.schema), pa.table(everybody, schema=USERS.schema)


def test_a_video_with_a_million_likes_costs_what_its_events_cost():
    """Ten times the likes take about ten times as long and little memory; in pairs they would be a million million."""
    seconds = []
    for likes in (100_000, 1_000_000):
        rows, everybody = a_hot_video(likes)
        with connect(memory_limit="2GB") as con:
            con.register("users", everybody)
            con.register("videos", videos(clips(4_000)))
            con.register("events", rows)
            begin = time.monotonic()
            found = weigh(con, DAY)
            seconds.append(time.monotonic() - begin)
        assert found.num_rows == likes
        assert np.mean(found["weight"].to_numpy() < 0.5) < 0.005
    # A hundred where every account were compared with every other.
    assert seconds[1] / seconds[0] < 40


def test_events_from_the_end_on_are_not_looked_at():
    late = [event(u, "view", video=v) | {"ts": DAY.end + timedelta(minutes=u)} for u in range(1, 9) for v in (1, 2, 3)]
    found = weights(late, people(*range(1, 9)), clips(3))
    assert {row["lockstep"] for row in found.values()} == {1.0}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_the_text_that_a_creator_reads(name):
    text = getattr(families, name).__doc__
    assert text
    assert len(text.split()) > 15
    assert not any(figure in text for figure in ("0.5", "600", "Jaccard"))
