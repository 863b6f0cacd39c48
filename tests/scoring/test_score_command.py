"""`./run score`: which days it takes, what it refuses, and what a kill leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest

import cli
from benchmarks.worlds import WEEK, world
from core.settings import ROOT, Settings
from data.load import Batch, load

QUERY = "select video_id, window_start, eis, features from video_aggregates order by window_start, video_id"


@pytest.fixture
def database(sql_db_url, monkeypatch):
    """A fresh database with a week of events that the command finds through the environment."""
    environment = {
        "SUPABASE_URL": "http://127.0.0.1:9",
        "SUPABASE_PUBLISHABLE_KEY": "sb_publishable_none",
        "SUPABASE_DB_URL": sql_db_url,
    }
    monkeypatch.delenv("FAIRSHARE_STACK", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = world(8_000, seed=31, with_unknown=False)
    settings = Settings(
        supabase_url=environment["SUPABASE_URL"],
        supabase_publishable_key=environment["SUPABASE_PUBLISHABLE_KEY"],
        supabase_db_url=sql_db_url,
    )
    load(settings, Batch({"users": made.users, "videos": made.videos, "events": made.events}))
    return sql_db_url


def run(*options):
    try:
        cli.main(["score", *options])
    except SystemExit as ended:
        return ended.code
    return 0


def fetch(url, query=QUERY):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def scored_days(url):
    return [day for (day,) in fetch(url, "select window_start from scored_days order by 1")]


def test_it_scores_every_day_once_and_says_so(database, capsys):
    assert run("--all") == 0
    assert "scored 7 days (0 were done)" in capsys.readouterr().out
    assert scored_days(database) == [day.start for day in WEEK.days()]
    before = fetch(database)
    assert run("--all") == 0
    assert "scored 0 days (7 were done)" in capsys.readouterr().out
    assert fetch(database) == before


def test_it_scores_the_days_that_are_asked_for(database):
    assert run("--day", "2026-11-02") == 0
    assert run("--from", "2026-11-04", "--to", "2026-11-06") == 0
    assert [day.day for day in scored_days(database)] == [2, 4, 5]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "say which days"),
        (["--all", "--day", "2026-11-02"], "say which days"),
        (["--from", "2026-11-02"], "--from and --to go together"),
        (["--day", "someday"], "--day 'someday'"),
        (["--day", "2026-11-02T12:00"], "midnight"),
        (["--day", "2099-01-01"], "is not over yet"),
        (["--day", "0001-01-01"], "not between 1970-01-01 and 2100-01-01"),
        (["--day", "9999-12-31"], "not between 1970-01-01 and 2100-01-01"),
        (["--from", "0001-01-01", "--to", "2026-11-02"], "not between 1970-01-01 and 2100-01-01"),
        (["--from", "2026-11-05", "--to", "2026-11-02"], "must be before"),
        (["--all", "--model", "luck"], "no scoring model 'luck'"),
    ],
    ids=lambda part: str(part),
)
def test_what_it_can_not_do_is_one_line_and_leaves_nothing(database, capsys, options, words):
    assert run(*options) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1
    assert scored_days(database) == []
    assert fetch(database) == []


def test_killed_in_the_middle_it_goes_on_to_the_same_end(database):
    # Under this model each day is written by itself.
    model = ("--model", "classic_v1")
    command = [sys.executable, "-m", "cli", "score", "--all", *model]
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ))
    deadline = time.monotonic() + 60
    while not scored_days(database) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = scored_days(database)
    # Nothing of a day that is not marked: scores and mark come together.
    assert {start for _, start, _, _ in fetch(database)} == set(done)
    assert run("--all", *model) == 0
    resumed = fetch(database)
    assert run("--all", "--again", *model) == 0
    assert resumed == fetch(database)
    assert len(scored_days(database)) == 7
