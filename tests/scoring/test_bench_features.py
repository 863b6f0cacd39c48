"""What is measured beside each other computes the same: the engine's features, pandas' and those inside Postgres."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from benchmarks import features_pandas, features_postgres
from benchmarks.worlds import WEEK, world
from core.engine import connect
from viewer_activity import signals
from viewer_activity.classic_v1 import RULE

EVENTS = 30_000


@pytest.fixture(scope="module")
def made():
    return world(EVENTS, seed=5)


@pytest.fixture(scope="module")
def engine(made):
    with connect() as con:
        for name in ("users", "videos", "events"):
            con.register(name, getattr(made, name))
        return signals.video_days(con, WEEK, early_us=RULE.early_us)


def assert_same(engine, found):
    assert len(found["video_id"]) == len(engine["video_id"]) > 500
    assert np.array_equal(np.asarray(found["video_id"]), engine["video_id"])
    for name in features_pandas.COUNTS:
        wanted = np.nan_to_num(engine[name]).astype(np.int64)
        assert np.array_equal(np.asarray(found[name]).astype(np.int64), wanted), name
        assert wanted.sum() > 0, name
    pace = np.asarray(found["pace_cv"], dtype=np.float64)
    assert np.allclose(pace, engine["pace_cv"], rtol=1e-9, equal_nan=True)


def test_pandas_computes_the_engines_features(made, engine):
    assert_same(engine, features_pandas.features(made.videos.to_pandas(), made.events.to_pandas()))


def test_postgres_computes_the_engines_features(made, engine, tmp_path):
    made.write(tmp_path)
    with features_postgres.server() as url:
        features_postgres.load(url, tmp_path / "videos.parquet", tmp_path / "events.parquet")
        rows, seconds = features_postgres.features(url)
    assert seconds > 0
    assert_same(engine, {name: [row[name] for row in rows] for name in rows[0]})


def run_cli(*arguments):
    command = [sys.executable, "-m", "cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_measures_every_way_on_the_same_events():
    done = run_cli("bench", "--events", "2000", "--rounds", "1", "--others-to", "2000", "--members", "10")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.strip().startswith("2000 ")]
    names = [" ".join(row[1:-4]) for row in rows]
    assert names == ["bare count", "classic_v1", "fairshare_v1", "pandas", "in Postgres"]
    assert all(float(seconds) > 0 for *_, seconds, _, _, _ in rows)


def test_a_way_that_is_none_is_refused():
    done = run_cli("bench", "--policies", "classic_v9")
    assert done.returncode == 2
    assert "classic_v9" in done.stderr
