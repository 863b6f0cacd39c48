"""`./run import`: all or nothing, twice is once, and the first bad row is named."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from core.errors import BadInput
from core.settings import ROOT, Settings
from core.tables import EVENTS
from data.importers import import_folder
from data.load import LoadError
from tests.conftest import RunningStack

USERS_CSV = """id,created_at,is_creator,kyc_level
1,2026-01-01,true,3
2,2026-10-01T10:00:00Z,,
3,,false,
"""
VIDEOS_CSV = """id,creator_id,created_at,title,duration_s
10,1,2026-10-30,"Łódź, 夜 — a walk",31.5
11,1,,,
"""
EVENTS_CSV = """event_id,video_id,user_id,event_type,ts,device_id,ip_hash
100,10,2,view,2026-11-01T12:00:00Z,d1,a1
101,10,3,like,2026-11-01 12:00:05,,
102,11,2,comment,2026-11-03T00:30:00+02:00,d1,a1
"""


@pytest.fixture
def settings(stack: RunningStack, sql_db_url: str) -> Settings:
    """The stack's settings over a fresh database."""
    return stack.settings.model_copy(update={"supabase_db_url": SecretStr(sql_db_url)})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good files."""
    for name, text in (("users", USERS_CSV), ("videos", VIDEOS_CSV), ("events", EVENTS_CSV)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def contents(db: psycopg.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table that an import may touch."""
    db.execute("set time zone 'UTC'")
    queries = {name: f"select * from public.{name} order by 1" for name in ("users", "videos", "event", "user_info")}
    return {name: db.execute(query).fetchall() for name, query in queries.items()}


def test_what_stood_in_the_files_stands_in_the_database(
    settings: Settings, folder: Path, sql_db: psycopg.Connection
) -> None:
    assert import_folder(settings, folder) == {"users": 3, "videos": 2, "events": 3}
    sql_db.execute("set time zone 'UTC'")
    assert sql_db.execute("select id, created_at::text, is_creator, kyc_level from users order by 1").fetchall() == [
        (1, "2026-01-01 00:00:00+00", True, 3),
        (2, "2026-10-01 10:00:00+00", False, None),
        (3, None, False, None),
    ]
    assert sql_db.execute("select id, title, duration_s, created_at is null from videos order by 1").fetchall() == [
        (10, "Łódź, 夜 — a walk", 31.5, False),
        (11, None, None, True),
    ]
    assert sql_db.execute("select event_id, ts::text, device_id, ip_hash from event order by 1").fetchall() == [
        (100, "2026-11-01 12:00:00+00", "d1", "a1"),
        (101, "2026-11-01 12:00:05+00", None, None),
        (102, "2026-11-02 22:30:00+00", "d1", "a1"),
    ]
    days = sql_db.execute("select relname from pg_class where relname ~ '^event_2026110[123]$' order by 1").fetchall()
    assert days == [("event_20261101",), ("event_20261102",)]


def test_a_second_import_changes_nothing(settings: Settings, folder: Path, sql_db: psycopg.Connection) -> None:
    import_folder(settings, folder)
    sql_db.execute("update users set kyc_level = 1 where id = 1")  # a reviewer's work since then
    before = contents(sql_db)
    assert import_folder(settings, folder) == {"users": 0, "videos": 0, "events": 0}
    assert contents(sql_db) == before


def test_new_rows_get_ids_after_the_imported_ones(settings: Settings, folder: Path, sql_db: psycopg.Connection) -> None:
    import_folder(settings, folder)
    assert sql_db.execute("insert into users default values returning id").fetchone()[0] > 3
    assert sql_db.execute("insert into videos (creator_id) values (1) returning id").fetchone()[0] > 11
    fresh = sql_db.execute(
        "insert into event (video_id, user_id, event_type, ts) values (10, 2, 'view', '2026-11-01 01:00Z')"
        " returning event_id"
    ).fetchone()
    assert fresh[0] > 102


def test_events_may_name_users_and_videos_that_are_in_the_database(
    settings: Settings, folder: Path, sql_db: psycopg.Connection
) -> None:
    events = (folder / "events.csv").read_text()
    (folder / "events.csv").unlink()
    import_folder(settings, folder)
    for name in ("users.csv", "videos.csv"):
        (folder / name).unlink()
    (folder / "events.csv").write_text(events)
    assert import_folder(settings, folder) == {"events": 3}
    (folder / "events.csv").write_text(events + "103,12,2,view,2026-11-01,,\n")
    with pytest.raises(BadInput, match=r"events.csv, column video_id, row 4: 12 is not the id of any row in videos"):
        import_folder(settings, folder)


BAD = [
    ("users", "3,,false,", "3,,false,7", "kyc_level", 3, "7 is not between 0 and 3"),
    ("users", "3,,false,", "1,,false,", "id", 3, "1 stands there twice"),
    ("users", "3,,false,", "x,,false,", "id", 3, "'x' is not a whole number"),
    ("users", "3,,false,", "3,soon,false,", "created_at", 3, "'soon' is not a time"),
    ("users", "3,,false,", "3,,perhaps,", "is_creator", 3, "'perhaps' is not true or false"),
    ("videos", "11,1,,,", "11,9,,,", "creator_id", 2, "9 is not the id of any row in users"),
    ("videos", "11,1,,,", "11,,,,", "creator_id", 2, "has no value"),
    ("videos", "11,1,,,", "11,1,,,-3", "duration_s", 2, "-3.0 is not between"),
    ("events", "101,10,3,like", "101,77,3,like", "video_id", 2, "77 is not the id of any row in videos"),
    ("events", "101,10,3,like", "101,10,33,like", "user_id", 2, "33 is not the id of any row in users"),
    ("events", "101,10,3,like", "101,10,3,gift", "event_type", 2, "'gift' is not one of"),
    ("events", "101,10,3,like", ",10,3,like", "event_id", 2, "has no value"),
    ("events", "101,10,3,like", "100,10,3,like", "event_id", 2, "100 stands there twice"),
    ("events", "2026-11-01 12:00:05", "1890-11-01 12:00:05", "ts", 2, "is not between 1970-01-01 and 2100-01-01"),
    ("events", "2026-11-01 12:00:05", "", "ts", 2, "has no value"),
]


@pytest.mark.parametrize(("file", "good", "bad", "column", "row", "sentence"), BAD)
def test_a_bad_row_is_named_and_the_database_stays_as_it_was(
    settings: Settings,
    folder: Path,
    sql_db: psycopg.Connection,
    file: str,
    good: str,
    bad: str,
    column: str,
    row: int,
    sentence: str,
) -> None:
    path = folder / f"{file}.csv"
    text = path.read_text()
    assert good in text
    path.write_text(text.replace(good, bad))
    with pytest.raises(BadInput) as caught:
        import_folder(settings, folder)
    error = caught.value
    assert (error.file, error.column, error.row) == (str(path), column, row)
    assert sentence in error.message
    assert all(not rows for rows in contents(sql_db).values())


def test_an_id_of_another_row_is_refused_and_nothing_of_the_folder_comes_in(
    settings: Settings, folder: Path, sql_db: psycopg.Connection
) -> None:
    import_folder(settings, folder)
    before = contents(sql_db)
    changes = [
        ("users", "2,2026-10-01T10", "2,2026-10-01T11", "id", 2),
        ("videos", "10,1,2026-10-30", "10,1,2026-10-29", "id", 1),
        ("events", "102,11,2,comment", "102,11,3,comment", "event_id", 3),
        ("events", "102,11,2,comment,2026-11-03T00", "102,11,2,comment,2026-11-05T00", "event_id", 3),
    ]
    for file, old, new, column, row in changes:
        path = folder / f"{file}.csv"
        text = path.read_text()
        path.write_text(text.replace(old, new))
        with (folder / "users.csv").open("a") as more:
            more.write("4,,,\n")
        with pytest.raises(BadInput, match="is the id of another row in the database") as caught:
            import_folder(settings, folder)
        assert (caught.value.file, caught.value.column, caught.value.row) == (str(path), column, row)
        assert contents(sql_db) == before
        path.write_text(text)
        (folder / "users.csv").write_text(USERS_CSV)


def test_json_lines_and_parquet_come_in_like_csv(settings: Settings, folder: Path, sql_db: psycopg.Connection) -> None:
    (folder / "events.csv").unlink()
    lines = [
        {"event_id": 1, "video_id": 10, "user_id": 2, "event_type": "view", "ts": "2026-11-01T00:00:00Z"},
        {
            "event_id": 2,
            "video_id": 11,
            "user_id": 3,
            "event_type": "pause",
            "ts": "2026-11-01T00:00:01Z",
            "ip_hash": "é",
        },
    ]
    (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "users.csv").unlink()
    pq.write_table(pa.table({"id": [1, 2, 3], "is_creator": [True, None, None]}), folder / "users.parquet")
    assert import_folder(settings, folder) == {"users": 3, "videos": 2, "events": 2}
    assert sql_db.execute("select event_id, ip_hash from event order by 1").fetchall() == [(1, None), (2, "é")]


def test_a_folder_must_be_there_and_say_one_thing(settings: Settings, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no such folder"):
        import_folder(settings, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="holds none of users, videos, events"):
        import_folder(settings, tmp_path / "empty")
    (folder / "users.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(BadInput, match=r"holds both users.csv and users.jsonl"):
        import_folder(settings, folder)


def test_events_of_too_many_days_are_refused_before_anything_is_written(
    settings: Settings, folder: Path, sql_db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("data.load.MAX_DAYS", 1)
    with pytest.raises(BadInput, match="lie on 2 different days; bring at most 1"):
        import_folder(settings, folder)
    assert all(not rows for rows in contents(sql_db).values())


def command(settings: Settings, *arguments: str) -> subprocess.Popen[str]:
    """`./run import …` as a process of its own, on the database of `settings`."""
    assert settings.supabase_db_url is not None
    environment = os.environ | {
        "SUPABASE_URL": settings.supabase_url,
        "SUPABASE_PUBLISHABLE_KEY": settings.supabase_publishable_key,
        "SUPABASE_DB_URL": settings.supabase_db_url.get_secret_value(),
        "FAIRSHARE_DATA_KEY": settings.fairshare_data_key.get_secret_value() if settings.fairshare_data_key else "",
    }
    return subprocess.Popen(
        [sys.executable, "cli.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_command_prints_one_line_and_ends_with_two(settings: Settings, folder: Path) -> None:
    (folder / "users.csv").write_text("id\n1\n1\n")
    run = command(settings, "import", str(folder))
    out, err = run.communicate(timeout=60)
    assert run.returncode == 2
    assert out == ""
    assert err == f"error: {folder}/users.csv, column id, row 2: 1 stands there twice; ids are unique\n"


def test_ctrl_c_in_the_middle_leaves_nothing_and_the_same_command_goes_on(
    settings: Settings, tmp_path: Path, sql_db: psycopg.Connection
) -> None:
    """The event rows are held up by a lock, so that the interruption surely comes in the middle."""
    n = 20_000
    pq.write_table(pa.table({"id": pa.array(range(1, 101))}), tmp_path / "users.parquet")
    pq.write_table(pa.table({"id": [1], "creator_id": [1]}), tmp_path / "videos.parquet")
    events = pa.table(
        {
            "event_id": pa.array(range(1, n + 1)),
            "video_id": pa.array([1] * n),
            "user_id": pa.array([1 + k % 100 for k in range(n)]),
            "event_type": pa.array(["view"] * n),
            "ts": pa.array([1_793_500_000_000_000 + k for k in range(n)], pa.timestamp("us", "UTC")),
        }
    )
    assert set(events.column_names) <= set(EVENTS.schema.names)
    pq.write_table(events, tmp_path / "events.parquet")
    with sql_db.transaction():
        sql_db.execute("lock table public.videos in exclusive mode")
        run = command(settings, "import", str(tmp_path))
        until = time.monotonic() + 60
        while sql_db.execute("select count(*) from pg_locks where not granted").fetchone() == (0,):
            assert time.monotonic() < until, "the import never got to the videos"
            assert run.poll() is None, run.communicate()
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert err == "interrupted: nothing is half-done; the same command goes on from here\n"
    assert all(not rows for rows in contents(sql_db).values())

    again = command(settings, "import", str(tmp_path))
    _, err = again.communicate(timeout=60)
    assert (again.returncode, err.startswith("imported 100 users, 1 videos, 20,000 events new")) == (0, True), err


def test_nothing_is_written_when_the_last_step_fails(
    settings: Settings, folder: Path, sql_db: psycopg.Connection
) -> None:
    """Without one transaction around it all, users and videos would stay behind."""
    sql_db.execute("alter table event add constraint no_comments check (event_type <> 'comment')")
    with pytest.raises(LoadError, match="the database refused the data"):
        import_folder(settings, folder)
    assert all(not rows for rows in contents(sql_db).values())
