"""Spark gives what DuckDB gives, byte for byte. Runs where `./run test` found Java 17; the refusals run everywhere."""

from __future__ import annotations

import importlib.util
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import cli
from bot_account_detection import clusters
from core.engine import connect, open_engine
from core.errors import BadInput, ConfigError
from core.settings import ROOT
from core.table_proof import count_bad
from core.tables import EVENTS, USERS, VIDEOS, read_table, scan_in_place
from core.timewindows import Window
from data.plan import Plan
from data.simulator import attack_names, simulate
from revenue_split.policy import policy_named
from revenue_split.split import Job, _read_events

on_spark = pytest.mark.skipif(
    "FAIRSHARE_TEST_SPARK" not in os.environ, reason="./run test found no Java 17 or could not install Spark"
)
END = datetime(2026, 11, 10, tzinfo=UTC)
DEFINITIONS = sorted(
    path
    for folder in ("bot_account_detection", "bot_account_detection/signals", "viewer_activity/signals")
    for path in (ROOT / folder).glob("*.sql")
)
#: What is asked for explanations, which stay on one machine.
FOR_EXPLAINING = ("cluster_evidence.sql", "own_events.sql")


@pytest.fixture(scope="module", autouse=True)
def _quick_java():
    """Less compiling, for a run of a minute; the threads of the Java that is started do not outlive the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    """A small simulated week with every attack in it, and the options of `./run split` for it."""
    folder = tmp_path_factory.mktemp("week")
    world = simulate(Plan(end=END, days=9, users=400, max_videos=4, max_events=150), attack_names("all"))
    for name in ("users", "videos", "events"):
        pq.write_table(getattr(world, name), folder / f"{name}.parquet")
    given = {name: folder / f"{name}.parquet" for name in ("users", "videos", "events")}
    given |= {"start": END - timedelta(days=7), "end": END - timedelta(hours=5), "pool-cents": 1_000_003}
    return [part for name, value in given.items() for part in (f"--{name}", str(value))]


@pytest.fixture(scope="module")
def asked():
    """Every statement that Spark was given by the tests of this file."""
    from core.spark_sql import Dialect

    seen: list[str] = []
    told = Dialect.statement

    def noted(dialect, sql, parameters=None):
        seen.append(sql)
        return told(dialect, sql, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dialect, "statement", noted)
        yield seen


@pytest.fixture(scope="module")
def days(week, tmp_path_factory):
    """The same week with its log as a folder of days."""
    folder = tmp_path_factory.mktemp("days")
    log = pq.read_table(option(week, "events"))
    day = log["ts"].cast("int64").to_numpy() // (86_400 * 10**6)
    for number in np.unique(day):
        pq.write_table(log.filter(day == number), folder / f"{number}.parquet")
    return [str(folder) if before == "--events" else part for before, part in zip(["", *week], week, strict=False)]


def split(week, out, *more):
    """The bytes of each table of `./run split`."""
    cli.main(["split", *week, "--out", str(out), *more])
    return {path.name: path.read_bytes() for path in out.glob("*.parquet")}


@on_spark
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("policy", "threads"), [("fairshare_v1", 2), ("classic_v1", 1)])
def test_a_week_with_attacks_gives_the_same_bytes_on_both_engines(week, days, asked, tmp_path, policy, threads):
    here = split(week, tmp_path / "duckdb", "--policy", policy)
    there = split(
        days, tmp_path / "spark", "--policy", policy, "--engine", "spark", "--threads", str(threads),
        "--memory-limit", "1GB", "--temp-dir", str(tmp_path),
    )  # fmt: skip
    assert '"engine": "spark 4' in (tmp_path / "spark" / "summary.json").read_text()
    assert len(here) == 4
    assert there == here
    if policy == "fairshare_v1":
        weights = pq.read_table(tmp_path / "spark" / "viewer_weights.parquet")
        assert len(weights) - weights["cluster_id"].null_count > 50  # groups were joined
    assert not list(tmp_path.glob("fairshare-spark-*"))


@pytest.fixture(scope="module")
def spark(asked):
    with open_engine("spark", memory_limit="1GB", threads=2) as engine:
        yield engine


@on_spark
def test_every_definition_has_been_run_on_spark(asked):
    """A family that is added and not tried there makes this red. It is the last but the small ones, on purpose."""
    everything = "\n".join(asked)
    missing = [
        path.name
        for path in DEFINITIONS
        if path.name not in FOR_EXPLAINING and not _words(path) <= set(everything.split("\n"))
    ]
    assert missing == []


def _words(path):
    """The lines that are the same however the parts of a definition are filled in."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return {line for line in lines if not re.search("[{}]", line) and line.strip() and not line.startswith("--")}


@on_spark
def test_wide_whole_numbers_become_the_same_floats_on_both(spark):
    """DuckDB rounds the two halves of 64 bits each by itself, which now and then gives another last bit."""
    chance = np.random.default_rng(5)
    query = "select ({}::hugeint * {} + {})::double as x"
    numbers = [tuple(int(n) for n in chance.integers(1, 2**62, 3)) for _ in range(200)]
    text = " union all ".join(query.format(*three) for three in numbers)
    text = f"select x from ({text}) order by x"
    with connect() as duck:
        wanted = duck.sql(text).to_arrow_table()["x"].to_numpy()
    got = spark.sql(text).to_arrow_table()["x"].to_numpy()
    once = np.sort([float(a * b + c) for a, b, c in numbers])
    assert np.array_equal(got, wanted)
    assert not np.array_equal(once, wanted)  # else this shows nothing


@on_spark
def test_sums_that_need_more_than_64_bits_are_exact_on_both(spark):
    """Spark sums in 64 bits by itself; a hot video's budget has more."""
    chance = np.random.default_rng(6)
    rows = pa.table({"g": chance.integers(0, 3, 400), "x": chance.integers(-(2**30), 2**62, 400)})
    query = """
        select
            g,
            sum(x)::double as plain,
            sum(x) filter (where x % 2 = 0)::double as filtered,
            sum(x) / count(*) as mean,
            max(x::hugeint * x)::double as widest,
            sum(x % 1000)::bigint as small
        from rows group by g having sum(x) > 0 order by g
    """
    found = []
    with connect() as duck:
        for engine in (duck, spark):
            engine.register("rows", rows)
            found.append(engine.sql(query).to_arrow_table().to_pylist())
    assert found[0] == found[1]
    assert max(row["plain"] for row in found[0]) > 2**64


@on_spark
def test_groups_by_joining_are_the_groups(spark):
    chance = np.random.default_rng(2)
    one, two = chance.integers(0, 60, 45), chance.integers(0, 60, 45)
    for got, wanted in zip(clusters.groups_by_joining(spark, 60, one, two), clusters.groups(60, one, two), strict=True):
        assert np.array_equal(got, wanted)


@on_spark
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("drop table users", "questions only"),
        ("select $nothing", "parameter nothing"),
        ("select getvariable('nothing')", "variable nothing"),
    ],
)
def test_what_spark_can_not_be_told_is_refused(statement, words):
    from core.spark_sql import Dialect

    with pytest.raises(ConfigError, match=words):
        Dialect().statement(statement)


def option(options, name):
    return Path(options[options.index(f"--{name}") + 1])


def with_value(week, tmp_path, column, value):
    """The options for the same week, with another value in the fifth row of its log."""
    path = tmp_path / "events.parquet"
    log = pq.read_table(option(week, "events"))
    values = log[column].to_pylist()
    values[4] = values[0] if column == "event_id" else value
    field = log.schema.field(column)
    if isinstance(value, bytes):
        plain = pa.array([v if v is None or isinstance(v, bytes) else v.encode() for v in values], pa.binary())
        array = pa.StringArray.from_buffers(len(plain), *plain.buffers()[1:], plain.buffers()[0])
    else:
        array = pa.array(values, field.type)
    place = log.schema.get_field_index(column)
    pq.write_table(log.set_column(place, pa.field(column, field.type), array), path)
    return [str(path) if before == "--events" else part for before, part in zip(["", *week], week, strict=False)]


BAD_VALUES = [
    ("event_id", "that of the first row"),
    ("user_id", 999_999_999),
    ("video_id", -3),
    ("event_type", "stare"),
    ("ts", datetime(2200, 1, 1, tzinfo=UTC)),
    ("device_id", b"\xff\xfe"),
]


@on_spark
@pytest.mark.parametrize(("column", "value"), BAD_VALUES, ids=lambda part: str(part))
def test_a_bad_value_in_a_log_is_counted_on_spark_and_then_named(week, spark, tmp_path, column, value):
    """Millions of files do not pass through this process unless something is wrong with them."""
    given = with_value(week, tmp_path, column, value)
    users, videos = (read_table(option(week, name), spec) for name, spec in (("users", USERS), ("videos", VIDEOS)))
    spark.register("users", users)
    spark.register("videos", videos)
    assert scan_in_place(spark, option(given, "events"), EVENTS, "events")
    references = {"video_id": "videos", "user_id": "users"}
    assert count_bad(spark, "events", EVENTS, time="ts", references=references).bad == 1
    job = Job(
        users=option(week, "users"), videos=option(week, "videos"), events=option(given, "events"),
        window=Window(END - timedelta(days=1), END), pool_cents=1, policy=policy_named("prorata"), out=tmp_path,
    )  # fmt: skip
    with pytest.raises(BadInput) as error:
        _read_events(spark, job, users, videos)
    assert (error.value.column, error.value.row) == (column, 5)


def refused(week, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(["split", *week, "--out", str(tmp_path / "out"), "--engine", "spark"])
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert not (tmp_path / "out").exists()
    return said


def test_without_java_one_line_says_so(week, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Spark needs Java 17 or newer, and none is found" in refused(week, tmp_path, capsys)


def test_an_older_java_is_named(week, tmp_path, capsys, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert "this is Java 8" in refused(week, tmp_path, capsys)


def test_without_its_packages_one_line_says_how_to_get_them(week, tmp_path, capsys, monkeypatch):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"17.0.15\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pyspark" else find(name))
    assert "the package pyspark: " in refused(week, tmp_path, capsys)


def test_the_database_is_not_counted_by_spark():
    from core.settings import Settings

    asked = Settings(supabase_url="http://127.0.0.1:1", supabase_publishable_key="x", fairshare_engine="spark")
    with pytest.raises(ConfigError, match=r"FAIRSHARE_ENGINE=spark is for \./run split"):
        connect(asked)


def test_an_engine_that_is_none_is_one_line(week, tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["split", *week, "--out", str(tmp_path / "out"), "--engine", "abacus"])
    assert "there is no engine 'abacus'; there is duckdb and spark" in capsys.readouterr().err
