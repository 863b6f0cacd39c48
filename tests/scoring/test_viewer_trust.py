"""The trust of one account, as a sentence each; the SQL and the function agree."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.worlds import world
from bot_account_detection.kyc import KycLevel
from bot_account_detection.viewer_trust import Accounts, macro, viewer_trust
from core.engine import connect
from tests.scoring.tables import DAY, event, events, one, score, users, videos


def trust(given=None, age_days=None, likely_bot=False, kyc_level=None):
    return viewer_trust(given=given, age_days=age_days, likely_bot=likely_bot, kyc_level=kyc_level)


def test_an_account_grows_by_a_quarter_point_a_day():
    assert trust(age_days=0) == 40
    assert trust(age_days=100) == 40 + 100 / 4
    assert trust(age_days=1000) == 100


def test_a_given_score_outranks_the_age():
    assert trust(given=12.5, age_days=100) == 12.5


def test_nothing_known_is_fifty():
    assert trust() == 50


def test_a_likely_bot_loses_thirty_and_never_falls_below_nothing():
    assert trust(given=70.0, likely_bot=True) == 40
    assert trust(given=10.0, likely_bot=True) == 0


def test_a_verified_person_gains_up_to_five():
    gains = [trust(given=50.0, kyc_level=level) - 50 for level in KycLevel]
    assert gains == sorted(gains)
    assert (gains[0], gains[-1]) == (0, 5)
    assert trust(given=99.0, kyc_level=KycLevel.FULL) == 100


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.one_of(st.none(), st.integers(0, 1000).map(lambda tenth: tenth / 10)),
    st.one_of(st.none(), st.integers(-10, 900)),
    st.sampled_from([None, True, False]),
    st.sampled_from([None, 0, 1, 2, 3]),
)
def test_the_sql_and_the_function_agree(given, age_days, likely_bot, kyc_level):
    person = {"id": 1, "viewer_trust_score": given, "likely_bot": likely_bot, "kyc_level": kyc_level}
    if age_days is not None:
        person["created_at"] = DAY.end.replace(hour=0) - age_days * (DAY.end - DAY.start)
    row = one(score(users([person]), videos([{"id": 1, "creator_id": 9}]), events([event(1, "like")])))
    expected = viewer_trust(given=given, age_days=age_days, likely_bot=likely_bot, kyc_level=kyc_level)
    assert json.loads(row["features"])["li"]["avg_vts"] == pytest.approx(expected, abs=1e-9)


def test_arrays_give_the_bits_of_the_sql():
    """Given and unknown scores, ages and levels, accounts from the future, and some that nobody knows."""
    people = world(60_000, seed=2).users
    ids = np.arange(1, people.num_rows + 50)
    moments = np.array([DAY.start_us - 10**13, DAY.end_us])
    when = np.random.default_rng(1).integers(0, 2, len(ids))
    with connect(threads=1) as con:
        con.execute(macro())
        con.register("people", people)
        con.register("asked", pa.table({"id": ids, "as_of_us": moments[when]}))
        wanted = con.sql("""
            select vts(viewer_trust_score, created_at, kyc_level, likely_bot, as_of_us) as trust
            from asked left join people using (id) order by id
        """).to_arrow_table()["trust"]
        columns = "id, viewer_trust_score, epoch_us(created_at) as created_us, kyc_level, likely_bot"
        users_there = con.sql(f"select {columns} from people").to_arrow_table()
    found = Accounts.of(ids, users_there).trust(np.arange(len(ids)), moments[when])
    assert len(np.unique(found)) > 1000
    assert found.tolist() == wanted.to_pylist()
