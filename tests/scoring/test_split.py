"""`./run split`: five files or none, the same bytes for the same input, and bad input named in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

import cli
from benchmarks.worlds import WEEK, world
from core.settings import ROOT
from revenue_split.split import FILES

POOL = 1_000_003


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    inputs = tmp_path_factory.mktemp("world")
    world(30_000, seed=11).write(inputs)
    return inputs


def arguments(folder, out, **changed):
    given = {
        "users": folder / "users.parquet",
        "videos": folder / "videos.parquet",
        "events": folder / "events.parquet",
        "start": WEEK.start.isoformat(),
        "end": WEEK.end.isoformat(),
        "pool-cents": POOL,
        "out": out,
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    flags = [f"--{name}" for name, value in given.items() if value is True]
    return flags + [part for name, value in given.items() if value is not True for part in (f"--{name}", str(value))]


def run(folder, out, **changed):
    """The exit code."""
    try:
        cli.main(["split", *arguments(folder, out, **changed)])
    except SystemExit as ended:
        return ended.code
    return 0


def read(out, name):
    return pq.read_table(out / f"{name}.parquet")


def contents(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix == ".parquet"}


def test_all_five_files_are_written_and_every_cent_is_somewhere(folder, tmp_path):
    out = tmp_path / "out"
    assert run(folder, out) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["allocated_cents"] + summary["residual_cents"] == summary["pool_cents"] == POOL
    videos, creators = read(out, "video_rev_shares"), read(out, "creator_payouts")
    assert sum(videos["allocated_cents"].to_pylist()) == summary["allocated_cents"]
    assert sum(creators["capped_cents"].to_pylist()) == summary["allocated_cents"]
    assert sum(creators["alloc_cents"].to_pylist()) == POOL
    assert sum(videos["share_pct"].to_pylist()) == pytest.approx(100)
    assert summary["rows_in"] == {"users": 1500, "videos": 120, "events": 30_000}
    assert summary["withheld"]["kyc_unknown"]["creators"] > 0
    assert {"read", "score", "split"} <= set(summary["seconds"])


def test_nobody_waits_for_pandas(folder, tmp_path):
    """pyarrow imports it at its first conversion if nothing stops it: as long as half of the scoring of a small log."""
    code = "import sys, cli; cli.main(sys.argv[1:]); assert 'pandas' not in sys.modules"
    command = [sys.executable, "-P", "-c", code, "split", *arguments(folder, tmp_path / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_each_file_has_the_columns_that_are_promised(folder, tmp_path):
    run(folder, tmp_path / "out")
    names = {name: set(read(tmp_path / "out", name).column_names) for name in (
        "viewer_weights", "video_aggregates", "video_rev_shares", "creator_payouts")}  # fmt: skip
    assert names["viewer_weights"] >= {"user_id", "weight", "cluster_id", "reasons"}
    assert names["video_aggregates"] >= {
        "video_id", "window_start", "window_end", "eis", "authentic_engagement", "comment_quality", "like_integrity",
        "report_credibility", "counted_share", "views", "likes", "comments", "shares", "follows", "reports", "pauses",
        "features", "model",
    }  # fmt: skip
    assert names["video_rev_shares"] >= {
        "video_id", "creator_id", "eng_units", "counted_units", "eis_avg", "vu", "share_pct", "allocated_cents",
    }  # fmt: skip
    assert names["creator_payouts"] == {
        "creator_id", "alloc_cents", "capped_cents", "platform_fee_cents", "reserve_cents", "pay_now_cents",
        "carried_cents",
    }  # fmt: skip


def test_the_same_input_gives_the_same_bytes_whatever_the_threads(folder, tmp_path):
    for name, threads in (("one", 1), ("two", 2)):
        assert run(folder, tmp_path / name, threads=threads) == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_order_of_the_rows_and_the_kind_of_file_change_no_byte(folder, tmp_path):
    for name in ("users", "videos", "events"):
        table = pq.read_table(folder / f"{name}.parquet")
        pacsv.write_csv(table.take(pa.array(range(table.num_rows - 1, -1, -1))), tmp_path / f"{name}.csv")
    csv = {name: tmp_path / f"{name}.csv" for name in ("users", "videos", "events")}
    run(folder, tmp_path / "parquet")
    run(folder, tmp_path / "csv", **csv)
    assert contents(tmp_path / "parquet") == contents(tmp_path / "csv")


def test_pro_rata_pays_by_units_alone(folder, tmp_path):
    run(folder, tmp_path / "out", policy="prorata", no_kyc_caps=True)
    rows = read(tmp_path / "out", "video_rev_shares").to_pylist()
    total = sum(row["eng_units"] for row in rows)
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["residual_cents"] == 0
    for row in rows:
        # The creator's cents and then the video's are each rounded once.
        assert abs(row["allocated_cents"] - POOL * row["eng_units"] / total) < 2


def test_days_before_the_window_are_history_and_are_never_paid(folder, tmp_path):
    run(folder, tmp_path / "week", policy="classic_v1")
    run(folder, tmp_path / "day", policy="classic_v1", start="2026-11-07")
    week = read(tmp_path / "week", "video_aggregates").to_pylist()
    day = read(tmp_path / "day", "video_aggregates").to_pylist()
    assert {row["window_start"].day for row in day} == {7}
    # The creators' past is the same, so the day's scores are those of the week.
    assert day == [row for row in week if row["window_start"].day == 7]


def test_an_earlier_result_is_replaced_and_a_strangers_folder_is_not(folder, tmp_path):
    out = tmp_path / "out"
    run(folder, out)
    assert run(folder, out, policy="prorata") == 0
    assert json.loads((out / "summary.json").read_text())["policy"] == "prorata"
    (out / "notes.txt").write_text("mine")
    assert run(folder, out) == 2
    assert (out / "notes.txt").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]


def changed_table(folder, tmp_path, name, column, row, value):
    """A copy of an input, as JSON lines, with one value changed (row counts from 1)."""
    lines = []
    for number, record in enumerate(pq.read_table(folder / f"{name}.parquet").to_pylist(), start=1):
        if number == row:
            record[column] = value
        lines.append(json.dumps(record, default=lambda moment: moment.isoformat()))
        if number > row + 3:
            break
    path = tmp_path / f"{name}.jsonl"
    path.write_text("\n".join(lines))
    return path


BAD_VALUES = [
    ("users", "id", None),
    ("users", "id", "seven"),
    ("users", "kyc_level", 9),
    ("users", "viewer_trust_score", 101),
    ("users", "created_at", "yesterday"),
    ("videos", "creator_id", None),
    ("videos", "creator_id", 999_999_999),
    ("videos", "duration_s", -1),
    ("events", "video_id", None),
    ("events", "video_id", 999_999_999),
    ("events", "user_id", 999_999_999),
    ("events", "event_type", "stare"),
    ("events", "event_type", None),
    ("events", "ts", None),
    ("events", "ts", "2026-13-01"),
    ("events", "event_id", 1),
]


@pytest.mark.parametrize(("name", "column", "value"), BAD_VALUES, ids=lambda part: str(part))
def test_a_bad_value_is_named_with_file_column_and_row(folder, tmp_path, capsys, name, column, value):
    path = changed_table(folder, tmp_path, name, column, 5, value)
    assert_refused(folder, tmp_path, capsys, [str(path), f"column {column}", "row 5"], **{name: path})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"users": "nowhere.parquet"}, ["nowhere.parquet", "no such file"]),
        ({"policy": "luck"}, ["'luck'", "classic_v1", "prorata"]),
        ({"pool_cents": -1}, ["--pool-cents", "negative"]),
        ({"start": "2026-11-08"}, ["must be before"]),
        ({"end": "soon"}, ["--end", "'soon'"]),
        ({"as_of": "later"}, ["--as-of", "'later'"]),
        ({"pool_cents": "ten"}, ["--pool-cents", "integer"]),
        ({"pool_cents": 10**14}, ["--pool-cents", "99999999999999 at most"]),
        ({"pool_cents": 10**20}, ["--pool-cents", "99999999999999 at most"]),
        ({"memory_limit": "much"}, ["memory limit", "'much'"]),
        ({"memory_limit": "-1GB"}, ["memory limit", "'-1GB'"]),
        ({"memory_limit": "1MB"}, ["memory limit is too small"]),
        ({"threads": 0}, ["--threads", "greater than or equal to 1"]),
        ({"threads": 100_000}, ["--threads", "less than or equal to 1024"]),
        ({"start": "0001-01-01"}, ["--start", "not between 1970-01-01 and 2100-01-01"]),
        ({"end": "9999-12-31"}, ["--end", "not between 1970-01-01 and 2100-01-01"]),
        ({"as_of": "9999-12-31T23:59:59-14:00"}, ["--as-of", "not between"]),
    ],
    ids=lambda part: str(part),
)
def test_a_bad_option_is_one_line(folder, tmp_path, capsys, changed, words):
    assert_refused(folder, tmp_path, capsys, words, **changed)


def test_a_missing_column_is_named(folder, tmp_path, capsys):
    path = tmp_path / "events.parquet"
    pq.write_table(pq.read_table(folder / "events.parquet").drop_columns(["ts"]), path)
    assert_refused(folder, tmp_path, capsys, [str(path), "ts"], events=path)


@pytest.mark.parametrize("column", ["event_id", "device_id", "ip_hash"])
def test_a_column_that_need_not_be_there_may_be_missing(folder, tmp_path, column):
    path = tmp_path / "events.parquet"
    pq.write_table(pq.read_table(folder / "events.parquet").drop_columns([column]), path)
    assert run(folder, tmp_path / "out", events=path) == 0


def test_a_missing_type_of_event_is_named(folder, tmp_path, capsys):
    """The word list is read as a dictionary, and asking for one that is not there once ended in a KeyError."""
    path = tmp_path / "events.parquet"
    pq.write_table(pq.read_table(folder / "events.parquet").drop_columns(["event_type"]), path)
    assert_refused(folder, tmp_path, capsys, [str(path), "the column event_type is missing"], events=path)


@pytest.mark.parametrize("column", ["device_id", "ip_hash", "event_type"])
def test_bytes_that_are_no_text_are_named_though_the_engine_reads_them_first(folder, tmp_path, capsys, column):
    path = tmp_path / "events.parquet"
    events = pq.read_table(folder / "events.parquet")
    words = [(word or "").encode() for word in events[column].to_pylist()]
    words[6] = b"\xff\xfe"
    raw = pa.array(words, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())  # as a careless writer leaves it
    pq.write_table(events.set_column(events.column_names.index(column), column, text), path)
    assert_refused(folder, tmp_path, capsys, [str(path), f"column {column}", "row 7", "is not text"], events=path)


@pytest.mark.parametrize("policy", ["fairshare_v1", "classic_v1"])
def test_bytes_that_are_no_text_far_down_a_log_are_named_too(tmp_path, capsys, policy):
    """What the engine meets after the first rows have been handed over is another kind of error."""
    folder = tmp_path / "world"
    made = world(40_000)
    made.write(folder)
    words = [(word or "").encode() for word in made.events["device_id"].to_pylist()]
    words[39_000] = b"\xff\xfe"
    raw = pa.array(words, pa.binary())
    text = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    place = made.events.column_names.index("device_id")
    pq.write_table(made.events.set_column(place, "device_id", text), folder / "events.parquet", row_group_size=2048)
    said = [str(folder / "events.parquet"), "column device_id", "row 39001", "is not text"]
    assert_refused(folder, tmp_path, capsys, said, policy=policy)


@pytest.mark.parametrize("name", ["events[1].parquet", "e*.parquet", "ü 'x\" .parquet", "events[1].jsonl"])
def test_a_name_is_a_name_and_no_pattern(folder, tmp_path, name):
    """DuckDB would read `events1.jsonl` for the last, and may read every file of the folder for the second."""
    events = pq.read_table(folder / "events.parquet").slice(0, 2_000)
    lines = "\n".join(json.dumps(row | {"ts": row["ts"].isoformat()}) for row in events.to_pylist())
    for path in (tmp_path / name, tmp_path / "plain" / f"events{Path(name).suffix}"):
        path.parent.mkdir(exist_ok=True)
        if path.suffix == ".jsonl":
            path.write_text(lines)
        else:
            pq.write_table(events, path)
        # Others whose names fit the patterns.
        for other in ("events1", "ee"):
            pq.write_table(events.slice(0, 0), tmp_path / f"{other}.parquet")
            (tmp_path / f"{other}.jsonl").write_text("no JSON")
        assert run(folder, path.parent / "out", events=path) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "plain" / "out")


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("/", ["holds"]),
        ("/proc/nothing", ["can not be written"]),
        ("x" * 300, ["can not be used", "too long"]),
        ("\udcff", ["not text in UTF-8"]),
    ],
    ids=["the root", "no file system", "a long name", "no text"],
)
def test_a_place_that_can_not_take_the_result_is_one_line(folder, tmp_path, capsys, out, words):
    assert run(folder, tmp_path / out) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(word in said for word in words), said
    assert list(tmp_path.iterdir()) == []


def test_a_broken_parquet_file_is_named(folder, tmp_path, capsys):
    path = tmp_path / "events.parquet"
    path.write_bytes((folder / "events.parquet").read_bytes()[:5_000])
    assert_refused(folder, tmp_path, capsys, [str(path), "Parquet"], events=path)


def test_a_result_that_would_replace_a_file_is_refused(folder, tmp_path, capsys):
    (tmp_path / "taken").write_text("mine")
    assert run(folder, tmp_path / "taken") == 2
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "taken").read_text() == "mine"


def test_a_disk_that_refuses_leaves_nothing(folder, tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", refuse)
    assert run(folder, tmp_path / "out") == 2
    assert list(tmp_path.iterdir()) == []


def assert_refused(folder, tmp_path, capsys, words, **changed):
    """Exit 2, one line that has all of `words`, and nothing written."""
    before = sorted(tmp_path.iterdir())
    assert run(folder, tmp_path / "out", **changed) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert all(word in said.err for word in words), said.err
    assert sorted(tmp_path.iterdir()) == before
