"""What holds for every input, tried on generated weeks; each property is shown to go red on a mutant of the rules.

The exact balance of every split, weight-0 accounts, reports of one cluster, and equal bytes for shuffled rows and any
number of threads are in tests/money/test_allocation.py and tests/scoring/test_fairshare.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.worlds import WEEK, World, world
from core.engine import connect
from core.tables import LABELS
from revenue_split import allocation, units
from revenue_split.allocation import split_window
from revenue_split.policy import FAIRSHARE_V1, PPB
from viewer_activity import budgets, model, signals
from viewer_activity.model import score_window
from viewer_activity.weighed_log import Viewers

POOL = 1_000_000
FEW = settings(max_examples=6, deadline=None, derandomize=True)
SEEDS = st.integers(1, 10_000)


@dataclass(frozen=True)
class Outcome:
    """Cents by creator, (EIS, counted units) by video and day, weight by viewer."""

    cents: dict[int, int]
    scores: dict[tuple[int, Any], tuple[float, float]]
    weights: dict[int, float]


def week(seed: int) -> World:
    """A small week in which every person is known."""
    return world(1_200, seed=seed, with_unknown=False)


def outcome(made: World, *, pool: int = POOL, labels: pa.Table | None = None) -> Outcome:
    with connect(threads=1) as con:
        for name in ("users", "videos", "events"):
            con.register(name, getattr(made, name))
        scored = score_window(con, "fairshare_v1", WEEK, seen=WEEK, videos=made.videos, labels=labels)
    result = split_window(
        policy=FAIRSHARE_V1,
        window=WEEK,
        pool_cents=pool,
        scores=scored.days,
        videos=made.videos,
        creators=made.users,
        use_caps=False,
    )
    creators = result.creators
    assert result.allocated_cents + result.residual_cents == pool
    return Outcome(
        dict(zip(creators["creator_id"].to_pylist(), creators["alloc_cents"].to_pylist(), strict=True)),
        {
            (row["video_id"], row["window_start"]): (row["eis"], row["counted_units"])
            for row in scored.days.select(["video_id", "window_start", "eis", "counted_units"]).to_pylist()
        },
        dict(zip(scored.weights["user_id"].to_pylist(), scored.weights["weight"].to_pylist(), strict=True)),
    )


def changed(table: pa.Table, name: str, values: Any) -> pa.Table:
    return table.set_column(
        table.column_names.index(name), table.schema.field(name), pa.array(values).cast(table.schema.field(name).type)
    )


def goes_red(check: Callable[[], None]) -> None:
    """The check fails; any other error is none of its business."""
    with pytest.raises(AssertionError):
        check()


# -- no counted units, no pay -----------------------------------------------------------------------------------------


def without_counted_units_no_pay(seed: int) -> None:
    made = week(seed)
    creator = made.videos["creator_id"][0].as_py()
    mine = made.videos.filter(pc.equal(made.videos["creator_id"], creator))["id"].combine_chunks()
    came = pc.unique(made.events.filter(pc.is_in(made.events["video_id"], value_set=mine))["user_id"]).to_pylist()
    rows = [{"user_id": user, "verdict": "confirmed", "reason_code": "automation"} for user in came]
    found = outcome(made, labels=pa.Table.from_pylist(rows, schema=LABELS.schema))
    assert found.cents.get(creator, 0) == 0


@FEW
@given(SEEDS)
def test_without_counted_units_there_is_no_pay(seed):
    without_counted_units_no_pay(seed)


def test_a_budget_for_worthless_accounts_is_noticed(monkeypatch):
    real = budgets.rates
    monkeypatch.setattr(budgets, "rates", lambda size, weight, g: np.maximum(real(size, weight, g), 1e-6))
    goes_red(lambda: without_counted_units_no_pay(3))


# -- names mean nothing -----------------------------------------------------------------------------------------------


def renaming_permutes(seed: int) -> None:
    made = week(seed)
    ids = made.users["id"].to_numpy()
    new = np.random.default_rng(seed).permutation(ids) + 5_000
    names = dict(zip(ids.tolist(), new.tolist(), strict=True))

    def renamed(table: pa.Table, column: str) -> pa.Table:
        return changed(table, column, [names[one] for one in table[column].to_pylist()])

    other = World(renamed(made.users, "id"), renamed(made.videos, "creator_id"), renamed(made.events, "user_id"))
    before, after = outcome(made), outcome(other)
    assert {names[user]: weight for user, weight in before.weights.items()} == pytest.approx(after.weights, abs=1e-12)
    assert before.scores.keys() == after.scores.keys()
    for key, figures in before.scores.items():
        assert figures == pytest.approx(after.scores[key], rel=1e-9, abs=1e-9)
    for creator, cents in before.cents.items():
        assert abs(cents - after.cents[names[creator]]) <= 1


@FEW
@given(SEEDS)
def test_renaming_people_and_creators_only_permutes(seed):
    renaming_permutes(seed)


def test_a_rule_that_looks_at_names_is_noticed(monkeypatch):
    real = model.weigh

    def by_name(*given_, **more):
        weights = real(*given_, **more)
        odd = weights["user_id"].to_numpy() % 2
        return changed(weights, "weight", weights["weight"].to_numpy() * (1 - 0.5 * odd))

    monkeypatch.setattr(model, "weigh", by_name)
    goes_red(lambda: renaming_permutes(3))


# -- neither the order of the rows nor the size of the pool -----------------------------------------------------------


def order_and_scale_mean_nothing(seed: int) -> None:
    made = week(seed)
    rng = np.random.default_rng(seed)
    shuffled = World(
        *(table.take(pa.array(rng.permutation(table.num_rows))) for table in (made.users, made.videos, made.events))
    )
    before = outcome(made)
    assert outcome(shuffled) == before
    larger = outcome(made, pool=1_000 * POOL)
    for creator, cents in before.cents.items():
        # A cent either way, and the creators' own cents of a thousand pools.
        assert abs(larger.cents[creator] / 1_000 - cents) <= 1


@FEW
@given(SEEDS)
def test_the_order_of_rows_and_the_size_of_the_pool_change_nothing_but_rounding(seed):
    order_and_scale_mean_nothing(seed)


def test_a_rule_that_looks_at_the_first_row_is_noticed(monkeypatch):
    real = model.weigh

    def by_order(con, *given_, **more):
        weights = real(con, *given_, **more)
        first = con.sql("select user_id from events limit 1").fetchall()[0][0]
        return changed(weights, "weight", np.where(weights["user_id"].to_numpy() == first, 0.0, weights["weight"]))

    monkeypatch.setattr(model, "weigh", by_order)
    goes_red(lambda: order_and_scale_mean_nothing(3))


def test_an_allocation_in_whole_dollars_is_noticed(monkeypatch):
    real = allocation.divide

    def rough(*, pool_cents, **more):
        done = real(pool_cents=pool_cents, **more)
        cents = [c // 100 * 100 for c in done.cents]
        return replace(done, cents=cents, residual_cents=pool_cents - sum(cents))

    monkeypatch.setattr(allocation, "divide", rough)
    goes_red(lambda: order_and_scale_mean_nothing(3))


# -- more counted engagement never pays less --------------------------------------------------------------------------

#: Scores under fairshare_v1 are taken together with the platform's mean: none is near nothing. A day below 22 points
#: could cost more by the streak than it brings by its units.
DAYS = st.tuples(st.integers(1, 6), st.integers(0, 6), st.floats(25, 100), st.floats(0, 500))


def scored_days(rows: list[tuple[int, int, float, float]]) -> pa.Table:
    return pa.table(
        {
            "video_id": pa.array([video for video, *_ in rows], pa.int64()),
            "window_start": pa.array([WEEK.start + timedelta(days=d) for _, d, *_ in rows], pa.timestamp("us", "UTC")),
            "window_end": pa.array(
                [WEEK.start + timedelta(days=d + 1) for _, d, *_ in rows], pa.timestamp("us", "UTC")
            ),
            "eis": pa.array([eis for *_, eis, _ in rows], pa.float64()),
            "eng_units": pa.array([1_000] * len(rows), pa.int64()),
            "counted_units": pa.array([counted for *_, counted in rows], pa.float64()),
            "early_boost": pa.array([0.0] * len(rows), pa.float64()),
        }
    )


def paid(rows: list[tuple[int, int, float, float]]) -> dict[int, int]:
    owners = pa.table({"id": pa.array(range(1, 7), pa.int64()), "creator_id": pa.array([1, 1, 2, 2, 3, 3], pa.int64())})
    people = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int64()),
            "likely_bot": pa.array([False] * 3),
            "kyc_level": pa.array([3] * 3, pa.int32()),
            "creator_trust_score": pa.nulls(3, pa.float64()),
        }
    )
    found = split_window(
        policy=FAIRSHARE_V1, window=WEEK, pool_cents=POOL, scores=scored_days(rows), videos=owners, creators=people
    ).creators
    return dict(zip(found["creator_id"].to_pylist(), found["alloc_cents"].to_pylist(), strict=True))


def more_never_pays_less(rows: list[tuple[int, int, float, float]], which: int, more: float) -> None:
    which %= len(rows)
    video, day, eis, counted = rows[which]
    raised = [*rows[:which], (video, day, eis, counted + more), *rows[which + 1 :]]
    creator = (video + 1) // 2
    assert paid(raised).get(creator, 0) >= paid(rows).get(creator, 0) - 1  # the odd cent goes by the largest remainder


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(DAYS, min_size=2, max_size=12, unique_by=lambda row: row[:2]), st.integers(0, 99), st.floats(0, 500))
def test_more_counted_engagement_never_pays_less(rows, which, more):
    more_never_pays_less(rows, which, more)


def test_a_rule_by_which_more_pays_less_is_noticed(monkeypatch):
    real = units._day_value_micro
    monkeypatch.setattr(
        units, "_day_value_micro", lambda rows, trust, policy: 10**9 // (1 + real(rows, trust, policy) // 10**6)
    )
    goes_red(lambda: more_never_pays_less([(1, 0, 80.0, 10.0), (3, 0, 80.0, 10.0)], 0, 100.0))


# -- one creator or two -----------------------------------------------------------------------------------------------

#: What the largest creator of a week gains by putting half of the videos under another account: the streaks of the two
#: differ (3 % either way is the most they can), and every account is granted a few viewers of each kind before a crowd
#: is a question. Measured on 30 generated weeks: +0.9 % at most, 0.0 % on average, -1.2 % at least.
EPSILON = 0.02


def gain_of_two_accounts(seed: int) -> float:
    made = week(seed)
    before = outcome(made)
    creator = max(before.cents, key=lambda one: (before.cents[one], one))
    second = int(made.users["id"].to_numpy().max()) + 1
    twin = made.users.filter(pc.equal(made.users["id"], creator))
    owners = made.videos["creator_id"].to_pylist()
    mine = [at for at, owner in enumerate(owners) if owner == creator]
    for at in mine[::2]:
        owners[at] = second
    split = World(
        pa.concat_tables([made.users, changed(twin, "id", [second])]),
        changed(made.videos, "creator_id", owners),
        # What they did on their own videos they do not do on the twin's: that would be another matter.
        made.events.filter(pc.not_equal(made.events["user_id"], creator)),
    )
    alone = World(made.users, made.videos, split.events)
    one, two = outcome(alone), outcome(split)
    return (two.cents.get(creator, 0) + two.cents.get(second, 0)) / one.cents[creator] - 1


def two_accounts_gain_little(seed: int) -> None:
    assert gain_of_two_accounts(seed) <= EPSILON


@FEW
@given(SEEDS)
def test_two_accounts_gain_no_more_than_the_stated_part(seed):
    two_accounts_gain_little(seed)


def test_a_rule_that_favours_small_creators_is_noticed(monkeypatch):
    real = allocation._creator_weights
    monkeypatch.setattr(allocation, "_creator_weights", lambda *rows: [int((w * PPB) ** 0.5) for w in real(*rows)])
    goes_red(lambda: two_accounts_gain_little(5))


def test_reports_that_are_not_of_one_cluster_are_more_than_one(monkeypatch):
    """The mutant of the property that any number of reports from one cluster acts as one."""
    from tests.scoring import test_fairshare as one

    real, viewers = signals.sql, Viewers.of
    whole = real("whole_weights").replace("coalesce(cluster_id, user_id)", "user_id")
    monkeypatch.setattr(signals, "sql", lambda name: whole if name == "whole_weights" else real(name))

    def of(names, *rest):
        return replace(viewers(names, *rest), voter=np.arange(len(names.users), dtype=np.int32))

    monkeypatch.setattr(Viewers, "of", of)
    goes_red(lambda: one.test_any_number_of_reports_from_one_cluster_act_as_one.hypothesis.inner_test(9, 1))
