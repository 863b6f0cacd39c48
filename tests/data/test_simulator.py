"""Honest traffic: fits together, repeats by seed, and looks like people's."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from core.errors import BadInput
from core.tables import EVENTS, USERS, VIDEOS, check_references
from data.dataset import Dataset, make_dataset
from data.plan import Plan
from data.population import catalogue, population
from data.simulator import attack_names, simulate
from data.world import DAY_US, HOUR_US
from tests.data.conftest import END


def events_of(dataset: Dataset) -> duckdb.DuckDBPyConnection:
    """DuckDB with the tables `users`, `videos`, `events` of a dataset; times in UTC."""
    con = duckdb.connect()
    con.execute("set TimeZone = 'UTC'")
    for name in ("users", "videos", "events"):
        con.register(name, getattr(dataset.world, name))
    return con


def test_the_same_plan_gives_the_same_bytes_and_another_seed_other_ones(plan: Plan, dataset: Dataset) -> None:
    def in_bytes(found: Dataset) -> dict[str, bytes]:
        written = {}
        for name, table in found.tables().items():
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table.combine_chunks())
            written[name] = sink.getvalue().to_pybytes()
        return written

    again = in_bytes(make_dataset(plan, [attack.name for attack in dataset.world.attacks]))
    assert in_bytes(dataset) == again
    other = in_bytes(make_dataset(replace(plan, seed=8)))
    assert all(other[name] != again[name] for name in again)


def test_attacks_leave_honest_events_as_they_were(honest: Dataset, dataset: Dataset) -> None:
    untouched = dataset.world.events.filter(pa.array(dataset.world.event_attack == 0))
    names = [name for name in EVENTS.schema.names if name != "event_id"]
    assert untouched.select(names).equals(honest.world.events.select(names))
    assert dataset.world.users.slice(0, honest.world.users.num_rows).equals(honest.world.users)


def test_everything_that_is_named_exists(dataset: Dataset) -> None:
    world = dataset.world
    for table, spec in ((world.users, USERS), (world.videos, VIDEOS), (world.events, EVENTS)):
        assert table.schema == spec.schema
    check_references(world.users, world.videos, world.events)
    users = set(world.users["id"].to_pylist())
    assert users == set(dataset.user_info["user_id"].to_pylist())
    assert users >= set(dataset.documents["user_id"].to_pylist())
    assert set(dataset.payments["user_id"].to_pylist()) <= set(
        world.users.filter(world.users["is_creator"])["id"].to_pylist()
    )


def test_nothing_happens_before_its_time(dataset: Dataset, plan: Plan) -> None:
    con = events_of(dataset)
    assert con.execute(
        "select count(*) from events e join videos v on v.id = e.video_id where e.ts < v.created_at"
    ).fetchone() == (0,)
    assert con.execute(
        "select count(*) from events e join users u on u.id = e.user_id where e.ts < u.created_at"
    ).fetchone() == (0,)
    times = dataset.world.events["ts"].to_numpy().view("i8")
    assert plan.start_us <= times.min() <= times.max() < plan.end_us
    assert (np.diff(times) >= 0).all()
    ids = dataset.world.events["event_id"].to_numpy()
    assert ids.tolist() == list(range(plan.first_id, plan.first_id + len(ids)))


@pytest.mark.parametrize(("low", "high"), [(20, 1500), (0, 5), (30, 30)])
def test_every_video_has_between_min_and_max_events(low: int, high: int) -> None:
    plan = Plan(end=END, users=300, min_videos=2, max_videos=5, min_events=low, max_events=high)
    world = simulate(plan)
    assert world.events_by_video.min() >= low
    assert world.events_by_video.max() <= high
    videos = np.unique(world.videos["creator_id"].to_numpy(), return_counts=True)[1]
    assert 2 <= videos.min() <= videos.max() <= 5
    assert len(videos) == round(300 * plan.creator_ratio)


def test_people_sleep_at_night(honest: Dataset, plan: Plan) -> None:
    """By each one's own clock: the hours from 2 to 5 see far less than those from 19 to 22."""
    _, people = population(plan)
    events = honest.world.events
    at = events["user_id"].to_numpy() - plan.first_id
    local_us = events["ts"].to_numpy().view("i8") + (people.zone_h[at] * HOUR_US).astype(np.int64)
    by_hour = np.bincount(local_us % DAY_US // HOUR_US, minlength=24)
    assert by_hour[2:5].sum() < 0.4 * by_hour[19:22].sum()


def test_popularity_activity_and_age_have_heavy_tails(honest: Dataset) -> None:
    def top_share(counts: np.ndarray, share: float) -> float:
        ordered = np.sort(counts)[::-1]
        return float(ordered[: max(1, int(len(ordered) * share))].sum() / ordered.sum())

    world = honest.world
    assert top_share(world.events_by_video, 0.1) > 0.3  # a tenth of the videos has three times its share
    by_user = np.bincount(world.events["user_id"].to_numpy() - honest.plan.first_id)
    assert top_share(by_user, 0.1) > 0.2
    age = honest.plan.end_us - world.users["created_at"].drop_null().to_numpy().view("i8")
    assert np.mean(age) > 1.4 * np.median(age)
    assert (age < 30 * DAY_US).mean() > 0.02


def test_families_share_devices_and_carriers_share_addresses_between_many(honest: Dataset) -> None:
    con = events_of(honest)
    by_device = con.execute(
        "select count(distinct user_id) n from events where device_id is not null group by device_id"
    ).fetchnumpy()["n"]
    assert by_device.max() <= 5  # a family, no farm
    assert (by_device > 1).mean() > 0.01
    by_address = con.execute(
        "select count(distinct user_id) n from events where ip_hash is not null group by ip_hash"
    ).fetchnumpy()["n"]
    assert by_address.max() > 60
    assert np.median(by_address) < 10


def test_people_come_in_sessions_and_like_a_tenth_of_what_they_see(honest: Dataset) -> None:
    con = events_of(honest)
    rates = dict(con.execute("select event_type, count(*) / sum(count(*)) over () from events group by 1").fetchall())
    assert set(rates) == {"view", "like", "comment", "share", "follow", "report", "pause"}
    assert rates["view"] > 0.7
    assert rates["like"] > rates["comment"] > rates["share"] > rates["report"]
    gaps = con.execute(
        "select epoch(ts - lag(ts) over (partition by user_id order by ts)) gap from events where event_type = 'view'"
        " qualify gap is not null"
    ).fetchnumpy()["gap"]
    assert (gaps < 180).mean() > 0.3  # the next video of a session; 20 views at random in two weeks give 0.003
    assert (gaps > 3 * 3600).mean() > 0.1  # the next session
    twice = con.execute(
        "select count(*) from (select 1 from events where event_type = 'like' group by user_id, video_id"
        " having count(*) > 1)"
    ).fetchone()
    assert twice == (0,)


def test_followers_rush_to_a_premiere_and_friends_carry_small_creators(honest: Dataset, plan: Plan) -> None:
    world = honest.world
    users, people = population(plan)
    _, found = catalogue(plan, users, people)
    video = world.events["video_id"].to_numpy() - plan.first_id
    user = world.events["user_id"].to_numpy() - plan.first_id
    early = world.events["ts"].to_numpy().view("i8") - found.created_us[video] < HOUR_US
    new = found.created_us >= plan.start_us
    rush = early[found.premiere[video]].mean()
    usual = early[(new & ~found.premiere)[video]].mean()
    assert rush > 0.25 > 2 * usual
    by_friend = (found.friends[found.creator[video]] == user[:, None]).any(axis=1)
    small, large = np.quantile(found.events, [0.25, 0.9])
    by_size = [by_friend[kept].mean() for kept in (found.events[video] <= small, found.events[video] >= large)]
    assert by_size[0] > 0.25 > 4 * by_size[1]


def test_some_values_are_unknown_as_they_are_in_life(honest: Dataset) -> None:
    world = honest.world
    for table, columns in (
        (world.users, ("created_at", "kyc_level", "creator_trust_score", "viewer_trust_score")),
        (world.videos, ("title",)),
        (world.events, ("device_id", "ip_hash")),
    ):
        for column in columns:
            assert 0 < table[column].null_count < table.num_rows, column


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"users": 3}, "--users must be at least 10"),
        ({"creator_ratio": 0.0}, "--creator-ratio"),
        ({"min_videos": 9, "max_videos": 2}, "--min-videos"),
        ({"min_events": -1}, "--min-events"),
        ({"min_tx": 5, "max_tx": 1}, "--min-tx"),
        ({"days": 0}, "--days"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, float], sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        Plan(end=END, **change)


def test_attack_names_are_checked() -> None:
    assert attack_names("none") == []
    assert attack_names("botnet, botnet,mules") == ["botnet", "mules"]
    assert len(attack_names("all")) == 11
    with pytest.raises(BadInput, match="there is no attack 'bots'"):
        attack_names("botnet,bots")
