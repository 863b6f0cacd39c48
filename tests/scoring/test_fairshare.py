"""Counted events: who has no weight changes nothing, a cluster is one vote, and the files tell it all."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.worlds import WEEK, world
from bot_account_detection.by_sorting import BySorting
from bot_account_detection.definitions import ByDefinition
from bot_account_detection.thresholds import THRESHOLDS
from core.engine import connect
from revenue_split.allocation import split_window
from revenue_split.policy import FAIRSHARE_V1
from tests.scoring.tables import DAY, at, event, events, users, videos
from tests.scoring.test_split import POOL, contents, read, run
from viewer_activity import fairshare_v1
from viewer_activity.creators import LatestScores

CREATORS = [{"id": c, "is_creator": True, "kyc_level": 3} for c in (901, 902, 903)]
VIEWERS = [{"id": u, "created_at": at("2022-01-01T00:00")} for u in range(1, 40)]
CLIPS = [{"id": v, "creator_id": 900 + v, "created_at": at("01 00:00"), "duration_s": 20.0} for v in (1, 2, 3)]
HONEST = [event(u, "view", f"01 {u % 24:02}:00", video=1 + u % 3) for u in range(1, 31)]
HONEST += [
    event(u, kind, f"01 {u % 24:02}:01", video=1 + u % 3) for u in range(1, 31, 4) for kind in ("like", "comment")
]
WORTHLESS = (35, 36, 37)
KINDS = ("view", "like", "comment", "share", "follow", "report", "pause")


def scored(rows, weights, clusters=()):
    """The day's scores and each creator's cents, for given weights (1 where none is); both ways say the same."""
    found = [scored_by(way, rows, weights, clusters) for way in (BySorting, ByDefinition)]
    assert found[0] == found[1]
    return found[0]


def scored_by(way, rows, weights, clusters):
    catalogue, people = videos(CLIPS), users([*VIEWERS, *CREATORS])
    ids = people["id"].to_pylist()
    with connect(threads=1) as con:
        for name, table in (("users", people), ("videos", catalogue), ("events", events(rows))):
            con.register(name, table)
        con.register(
            "weights",
            pa.table(
                {
                    "user_id": ids,
                    "weight": [float(weights.get(u, 1.0)) for u in ids],
                    "report_weight": [float(weights.get(u, 1.0)) for u in ids],
                    "cleared": [False for _ in ids],
                    "cluster_id": pa.array([1 if u in clusters else None for u in ids], pa.int64()),
                }
            ),
        )
        one = way(con)
        one.begin(DAY, THRESHOLDS)
        con.execute("create temp table discounts(user_id bigint, creator_id bigint, thousandths bigint)")
        weighed = fairshare_v1.weigh_events(con, DAY, one)
        table = fairshare_v1.score(con, weighed, latest=LatestScores.of_videos(catalogue), with_quiet=True)
    cents = split_window(
        policy=FAIRSHARE_V1, window=DAY, pool_cents=1_000_000, scores=table, videos=catalogue, creators=people
    ).creators
    return {row["video_id"]: row for row in table.to_pylist()}, cents["alloc_cents"].to_pylist()


NOTHING = dict.fromkeys(WORTHLESS, 0.0)
ANY_EVENT = st.builds(
    event,
    st.sampled_from(WORTHLESS),
    st.sampled_from(KINDS),
    st.integers(0, 23).map("01 {:02}:30".format),
    video=st.integers(1, 3),
    device_id=st.sampled_from([None, "a", "b"]),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ANY_EVENT, max_size=30))
def test_events_of_accounts_without_weight_change_nobodys_score_and_nobodys_pay(more):
    plain, paid = scored(HONEST, NOTHING)
    now, now_paid = scored([*HONEST, *more], NOTHING)
    assert now_paid == paid
    for video, row in plain.items():
        assert now[video]["eis"] == row["eis"]
        assert now[video]["counted_units"] == row["counted_units"]


def test_the_same_events_of_accounts_with_weight_do():
    """The mutant of the test above: with any weight the same events are seen."""
    more = [event(u, kind, video=1) for u in WORTHLESS for kind in ("view", "like")]
    assert scored([*HONEST, *more], {})[1] != scored(HONEST, {})[1]


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 4))
def test_any_number_of_reports_from_one_cluster_act_as_one(members, each):
    one = [event(31, "report", video=1)]
    many = [event(31 + m, "report", f"01 {12 + k}:00", video=1) for m in range(members) for k in range(each)]
    plain, paid = scored([*HONEST, *one], {})
    crowd, crowd_paid = scored([*HONEST, *many], {}, clusters=range(31, 40))
    assert crowd[1]["eis"] == plain[1]["eis"]
    assert crowd_paid == paid


def test_reports_take_less_than_two_points_and_less_than_a_hundredth_of_the_pay():
    brigade = [event(u, "report", video=1) for u in (31, 32, 33, 34, 35, 36, 37, 38, 39)]
    plain, paid = scored(HONEST, {})
    now, now_paid = scored([*HONEST, *brigade], {})
    assert 0 < plain[1]["eis"] - now[1]["eis"] < 2
    assert now_paid[0] / paid[0] > 0.99


def test_who_reports_a_video_gives_it_nothing():
    view = [event(35, "view", "01 10:00", video=1), event(35, "like", "01 10:01", video=1)]
    with_report, _ = scored([*HONEST, *view, event(35, "report", "01 10:02", video=1)], {})
    without, _ = scored([*HONEST, event(35, "report", "01 10:02", video=1)], {})
    assert with_report[1]["counted_units"] == without[1]["counted_units"]
    assert with_report[1]["eis"] == without[1]["eis"]


def test_no_counted_units_no_pay():
    everyone = dict.fromkeys(range(1, 40), 0.0)
    assert scored(HONEST, everyone)[1] == [0, 0, 0]
    nobody_on_three = {u: 0.0 for u in range(1, 40) if 1 + u % 3 == 3}
    assert scored(HONEST, nobody_on_three)[1][2] == 0


def test_the_counted_share_is_shown_and_moves_no_score():
    half = dict.fromkeys(range(1, 40), 0.5)
    rows, paid = scored(HONEST, half)
    assert rows[1]["counted_share"] == pytest.approx(0.5)
    assert paid == pytest.approx(scored(HONEST, {})[1], abs=20_000)


def test_the_early_bonus_is_a_ramp():
    boosts = fairshare_v1.early_boost(np.array([0.0, 5.0, 10.0, 25.0, 100.0]))
    assert boosts == pytest.approx([0, 0.2, 0.4, 1, 1])


def test_a_score_of_few_viewers_is_nearly_the_platforms_mean():
    eis, parts = fairshare_v1.shrunk(np.array([90.0, 10.0, 60.0]), np.array([1.0, 0.0, 1000.0]))
    mean = (90 + 60_000) / 1001
    assert parts["platform_mean"][0] == pytest.approx(mean)
    # What is not known is read in its favour, by a point at most.
    assert eis[1] == pytest.approx(mean + fairshare_v1.RULE.benefit_of_doubt)
    assert abs(eis[0] - mean) < 2
    assert abs(eis[2] - 60) < 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    inputs = tmp_path_factory.mktemp("fairshare")
    world(20_000, seed=12).write(inputs)
    return inputs


def test_the_split_writes_a_weight_a_factor_a_family_and_reasons(folder, tmp_path):
    assert run(folder, tmp_path / "out", policy="fairshare_v1") == 0
    weights = read(tmp_path / "out", "viewer_weights")
    assert weights.column_names == [
        "user_id", "weight", "tier", "device", "together", "lockstep", "one_shot", "crowd", "batch", "praise",
        "detached", "concentration", "circle", "cluster_id", "reasons",
    ]  # fmt: skip
    for row in weights.to_pylist():
        assert 0 <= row["weight"] <= 1
        assert row["reasons"] or row["weight"] == 1
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["model"] == "fairshare_v1"
    assert summary["allocated_cents"] + summary["residual_cents"] == POOL
    counted = read(tmp_path / "out", "video_rev_shares")["counted_units"].to_numpy()
    # a = 1/2: half of all weights is given away.
    given_away = weights["weight"].to_numpy()[np.isin(weights["user_id"].to_numpy(), active(folder))].sum() / 2
    assert counted.sum() == pytest.approx(given_away, rel=1e-6)


def active(folder):
    """Viewers with units on others' videos in the week, whose reports have not taken them back."""
    with connect(threads=1) as con:
        rows = con.execute(
            f"""
            select distinct e.user_id from '{folder}/events.parquet' e join '{folder}/videos.parquet' v
            on v.id = e.video_id and v.creator_id <> e.user_id
            where e.event_type in ('view', 'like', 'comment', 'share') and not exists (
                select 1 from '{folder}/events.parquet' r
                where r.event_type = 'report' and r.user_id = e.user_id and r.video_id = e.video_id
            ) and e.ts >= timestamptz '{WEEK.start}' and e.ts < timestamptz '{WEEK.end}'
            """
        ).fetchall()
    return np.array([row[0] for row in rows])


def test_threads_row_order_and_kind_of_file_change_no_byte(folder, tmp_path):
    for name in ("users", "videos", "events"):
        table = pq.read_table(folder / f"{name}.parquet")
        pq.write_table(table.take(pa.array(np.random.default_rng(5).permutation(table.num_rows))), tmp_path / name)
        (tmp_path / name).rename(tmp_path / f"{name}.parquet")
    shuffled = {name: tmp_path / f"{name}.parquet" for name in ("users", "videos", "events")}
    run(folder, tmp_path / "one", policy="fairshare_v1", threads=1)
    run(folder, tmp_path / "two", policy="fairshare_v1", threads=2, **shuffled)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
