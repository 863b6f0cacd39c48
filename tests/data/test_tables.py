"""What may come in as users, videos and events, and what the one sentence says when it may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import BadInput
from core.tables import (
    EVENTS,
    USERS,
    VIDEOS,
    TableSpec,
    check_references,
    first_duplicate,
    first_not_in,
    read_table,
    scan_table,
)

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
EVENT = {
    "event_id": 1,
    "video_id": 10,
    "user_id": 20,
    "event_type": "view",
    "ts": "2026-11-01T12:00:00Z",
    "device_id": "d1",
    "ip_hash": "a1",
}


def written(folder: Path, kind: str, rows: list[dict[str, object]], name: str = "events") -> Path:
    """The rows as a file of that kind, in the plainest way each kind has."""
    path = folder / f"{name}.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "csv":
        names = list(dict.fromkeys(key for row in rows for key in row))
        lines = [",".join("" if row.get(n) is None else str(row[n]) for n in names) for row in rows]
        path.write_text("\n".join([",".join(names), *lines]) + "\n")
    elif kind == "json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scanned(con: duckdb.DuckDBPyConnection, path: Path, spec: TableSpec, view: str) -> pa.Table:
    """All slices of a scan."""
    return pa.concat_tables(scan_table(con, path, spec, view))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "json", "parquet"])
def test_the_same_rows_come_out_of_every_format(tmp_path: Path, kind: str) -> None:
    second = EVENT | {"event_id": 2, "event_type": "like", "device_id": None, "ip_hash": None}
    table = read_table(written(tmp_path, kind, [EVENT, second]), EVENTS)
    assert table.schema == EVENTS.schema
    assert table.to_pylist() == [EVENT | {"ts": NOON}, second | {"ts": NOON}]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_every_column_but_ids_type_and_time_may_be_null_or_missing(tmp_path: Path, kind: str) -> None:
    bare = {"video_id": 10, "user_id": 20, "event_type": "view", "ts": "2026-11-01T12:00:00Z"}
    assert read_table(written(tmp_path, kind, [bare]), EVENTS).to_pylist() == [
        bare | {"ts": NOON, "event_id": None, "device_id": None, "ip_hash": None}
    ]
    user = read_table(written(tmp_path, kind, [{"id": 1, "kyc_level": None}], "users"), USERS)
    assert user.to_pylist() == [dict.fromkeys(USERS.schema.names) | {"id": 1}]
    video = read_table(written(tmp_path, kind, [{"id": 1, "creator_id": 2, "title": None}], "videos"), VIDEOS)
    assert video.to_pylist() == [dict.fromkeys(VIDEOS.schema.names) | {"id": 1, "creator_id": 2}]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-01T12:00:00Z", NOON),
        ("2026-11-01 12:00:00", NOON),  # naive is UTC
        ("2026-11-01T14:00:00+02:00", NOON),
        ("2026-11-01T07:00:00-0500", NOON),
        ("2026-11-01T12:00:00.250000123Z", NOON + timedelta(microseconds=250_000)),
        ("2026-11-01", NOON - timedelta(hours=12)),
    ],
)
def test_times_are_read_as_instants(tmp_path: Path, text: str, instant: datetime) -> None:
    rows = [EVENT | {"event_id": 1, "ts": text}, EVENT | {"event_id": 2}]  # one style of time beside another
    assert read_table(written(tmp_path, "csv", rows), EVENTS)["ts"].to_pylist() == [instant, NOON]


def test_parquet_times_of_any_zone_and_unit_are_the_same_instant(tmp_path: Path) -> None:
    east = NOON.astimezone(timezone(timedelta(hours=5)))
    for kind in (pa.timestamp("ns", "UTC"), pa.timestamp("ms"), pa.timestamp("us", "+05:00")):
        moment = east if kind.tz else NOON.replace(tzinfo=None)
        table = pa.table({"id": [1], "created_at": pa.array([moment], kind)})
        pq.write_table(table, tmp_path / "users.parquet")
        assert read_table(tmp_path / "users.parquet", USERS)["created_at"].to_pylist() == [NOON]


def test_empty_text_is_unknown_and_not_one_device_that_many_share(tmp_path: Path) -> None:
    for kind in ("csv", "jsonl", "parquet"):
        table = read_table(written(tmp_path, kind, [EVENT | {"device_id": "", "ip_hash": "a"}]), EVENTS)
        assert table.select(["device_id", "ip_hash"]).to_pylist() == [{"device_id": None, "ip_hash": "a"}]


def test_a_duration_of_zero_is_unknown(tmp_path: Path) -> None:
    rows = [{"id": 1, "creator_id": 1, "duration_s": 0}, {"id": 2, "creator_id": 1, "duration_s": 3.5}]
    assert read_table(written(tmp_path, "csv", rows), VIDEOS)["duration_s"].to_pylist() == [None, 3.5]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "videos.parquet")
    con = duckdb.connect()
    scanned(con, tmp_path / "videos.parquet", VIDEOS, "v")
    assert con.sql("select duration_s from v order by id").fetchall() == [(None,), (3.5,)]


def test_whole_numbers_written_with_a_point_are_whole_numbers(tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "csv", [{"id": 1, "kyc_level": "2.0"}], "users"), USERS)
    assert table["kyc_level"].to_pylist() == [2]


BAD_EVENTS = [
    ("user_id", "x", "'x' is not a whole number"),
    ("user_id", "1.5", "'1.5' is not a whole number"),
    ("user_id", "0x1F", "'0x1F' is not a whole number"),
    ("video_id", "99999999999999999999", "is not a whole number"),
    ("video_id", None, "has no value"),
    ("video_id", "-7", "-7 is below 0"),
    ("event_type", "gift", "'gift' is not one of view, like"),
    ("event_type", None, "has no value"),
    ("ts", "yesterday", "'yesterday' is not a time"),
    ("ts", "2026-02-30T00:00:00Z", "is not a time"),
    ("ts", "1969-12-31T23:59:59Z", "is not between 1970-01-01 and 2100-01-01"),
    ("ts", "2300-01-01T00:00:00Z", "is not between"),
    ("event_id", "1", "1 stands there twice"),
    ("device_id", "a\x00b", "zero byte"),
]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("column", "value", "sentence"), BAD_EVENTS)
def test_the_first_bad_event_is_named(tmp_path: Path, kind: str, column: str, value: str | None, sentence: str) -> None:
    rows = [{k: str(v) for k, v in EVENT.items()} | {"event_id": str(n)} for n in range(1, 8)]
    rows[4] = rows[4] | {column: value}
    rows[6] = rows[6] | {"user_id": "later"}
    path = written(tmp_path, kind, rows)
    with pytest.raises(BadInput) as caught:
        read_table(path, EVENTS)
    bad = caught.value
    if column == "event_id":  # ids are compared only when every row can be read
        assert (bad.row, bad.column) == (7, "user_id")
        path = written(tmp_path, kind, rows[:6])
        with pytest.raises(BadInput) as caught:
            read_table(path, EVENTS)
        bad = caught.value
    assert (bad.file, bad.column, bad.row) == (str(path), column, 5)
    assert sentence in bad.message
    assert "\n" not in str(bad)


@pytest.mark.parametrize(
    ("spec", "column", "value"),
    [
        (USERS, "kyc_level", 4),
        (USERS, "kyc_level", -1),
        (USERS, "viewer_trust_score", 100.5),
        (USERS, "viewer_trust_score", float("nan")),
        (USERS, "creator_trust_score", float("inf")),
        (VIDEOS, "duration_s", -1.0),
        (VIDEOS, "eis_current", -0.1),
    ],
)
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_numbers_out_of_range_are_refused(tmp_path: Path, spec: object, column: str, value: float, kind: str) -> None:
    rows = [{"id": 1, "creator_id": 1}, {"id": 2, "creator_id": 1, column: value}]
    if kind == "parquet":
        pq.write_table(pa.table({"id": [1, 2], "creator_id": [1, 1], column: [None, value]}), tmp_path / "t.parquet")
        path = tmp_path / "t.parquet"
    else:
        path = written(tmp_path, kind, rows, "t")
    with pytest.raises(BadInput) as caught:
        read_table(path, spec)
    assert (caught.value.column, caught.value.row) == (column, 2)


def test_of_several_bad_values_the_one_in_the_first_row_is_named(tmp_path: Path) -> None:
    rows = [{k: str(v) for k, v in EVENT.items()} | {"event_id": str(n)} for n in range(1, 4)]
    rows[1]["ts"] = "never"
    rows[2]["event_id"] = "bad"
    with pytest.raises(BadInput) as caught:
        read_table(written(tmp_path, "csv", rows), EVENTS)
    assert (caught.value.column, caught.value.row) == ("ts", 2)


def test_files_that_can_not_be_read_end_in_one_sentence(tmp_path: Path) -> None:
    cases = {
        "nothing.csv": (None, "there is no such file"),
        "a.xlsx": (b"x", "unknown kind"),
        "empty.csv": (b"", "is empty"),
        "empty.parquet": (b"", "is empty"),
        "broken.parquet": (b"PAR1 but no more", "can not be read as Parquet"),
        "other.csv": (b"a,b\n1,2\n", "none of the columns"),
        "short.csv": (b"id,kyc_level\n1,2\n2\n", "row 2: has 1 fields where the header has 2"),
        "twice.csv": (b"id,id\n1,2\n", "column id: the column stands there twice"),
        "latin.csv": (b"id,created_at\n1,2026-01-01\n2,\xe9\n", "column created_at, row 2"),
        "wide.csv": ("id\n1\n".encode("utf-16"), "is not text in UTF-8"),
        "noise.csv": (b"id,kyc_level\n1,2\n\xff,\xfe,\x80\n", "is not text in UTF-8"),
        "cut.csv": (b"id\n1,\xc3", "is not text in UTF-8"),
        "broken.jsonl": (b'{"id": 1}\n\n{"id": 2\n{"id": 3}\n', "row 2: can not be read as JSON"),
        "list.jsonl": (b'{"id": 1}\n[2]\n', "row 2: can not be read as JSON"),
        "nan.jsonl": (b'{"id": 1, "kyc_level": NaN}\n', "row 1"),
        "missing.jsonl": (b'{"kyc_level": 1}\n', "the column id is missing"),
        "missing.csv": (b"kyc_level\n1\n", "the column id is missing"),
    }
    for name, (content, sentence) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput) as caught:
            read_table(tmp_path / name, USERS)
        assert sentence in str(caught.value), name
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(BadInput, match="is not a file"):
        read_table(tmp_path / "folder.csv", USERS)


def test_a_column_of_another_type_is_refused_not_reinterpreted(tmp_path: Path) -> None:
    for column, values in {
        "ts": [1_700_000_000],
        "user_id": [True],
        "device_id": [7],
        "video_id": [[1]],
    }.items():
        rows = pa.Table.from_pylist([EVENT | {"ts": NOON} | {column: values[0]}])
        pq.write_table(rows, tmp_path / "events.parquet")
        for read in (read_table, lambda path, spec: scanned(duckdb.connect(), path, spec, "e")):
            with pytest.raises(BadInput) as caught:
                read(tmp_path / "events.parquet", EVENTS)
            assert caught.value.column == column


def test_what_python_can_not_say_is_still_named(tmp_path: Path) -> None:
    """Parquet's text may be no UTF-8 and its times lie past the year 9999."""
    path = tmp_path / "events.parquet"
    for column, bad, words in (
        ("device_id", pa.array([b"\xff\xfe"]).view(pa.string()), "is not text"),
        ("event_type", pa.array([b"\xff\xfe"]).view(pa.string()), "is not text"),
        ("ts", pa.array([2**62]).cast(pa.timestamp("us", "UTC")), f"{2**62} is not between"),
        ("ts", pa.array([-(2**62)]).cast(pa.timestamp("us", "UTC")), f"{-(2**62)} is not between"),
    ):
        good = pa.Table.from_pylist([EVENT | {"ts": NOON, "event_id": 2}])
        rows = pa.concat_tables([good, good.set_column(good.column_names.index(column), column, bad)])
        pq.write_table(rows.set_column(0, "event_id", pa.array([1, 2])), path)
        with pytest.raises(BadInput, match=words) as caught:
            read_table(path, EVENTS)
        assert (caught.value.column, caught.value.row) == (column, 2)
        if column != "device_id":  # left to the engine there
            with pytest.raises(BadInput, match=words):
                scanned(duckdb.connect(), path, EVENTS, "e")


@pytest.mark.parametrize("slice_rows", [1, 2, 100])
def test_a_scan_gives_the_rows_of_a_read_and_the_same_refusals(
    tmp_path: Path, slice_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.tables.SLICE_ROWS", slice_rows)
    rows = [EVENT | {"ts": NOON, "event_id": n, "device_id": "" if n == 2 else "d"} for n in range(1, 6)]
    path = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    con = duckdb.connect()
    keys = scanned(con, path, EVENTS, "e")
    assert con.sql("select * from e").to_arrow_table().cast(EVENTS.schema).equals(read_table(path, EVENTS))
    assert keys.column_names == ["event_id", "video_id", "user_id", "ts"]
    for column, value in {
        "event_type": "gift",
        "event_id": 1,
        "ts": datetime(1950, 1, 1, tzinfo=UTC),
    }.items():
        pq.write_table(pa.Table.from_pylist([*rows, rows[0] | {"event_id": 9, column: value}]), path)
        messages = set()
        for read in (read_table, lambda p, spec: scanned(con, p, spec, "e")):
            with pytest.raises(BadInput) as caught:
                read(path, EVENTS)
            messages.add(str(caught.value))
            assert caught.value.row == 6
        assert len(messages) == 1


def test_ids_in_any_order_are_unique_over_all_slices_of_a_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.tables.SLICE_ROWS", 2)
    path = tmp_path / "events.parquet"
    for ids, row in (([5, None, 3, 4, 9], None), ([5, 7, 3, None, 7], 5), ([1, 2, 2, 3, 4], 3)):
        pq.write_table(pa.Table.from_pylist([EVENT | {"ts": NOON, "event_id": n} for n in ids]), path)
        if row is None:
            assert scanned(duckdb.connect(), path, EVENTS, "e")["event_id"].to_pylist() == ids
            continue
        with pytest.raises(BadInput, match="stands there twice") as caught:
            scanned(duckdb.connect(), path, EVENTS, "e")
        assert caught.value.row == row


def test_the_first_row_that_points_nowhere_is_named() -> None:
    users = pa.table({"id": [1, 2]})
    videos = pa.table({"id": [7, 8], "creator_id": [1, 2]})
    events = pa.table({"video_id": [7, 8, 7], "user_id": [1, 2, 2]})
    check_references(users, videos, events)
    files = {"events": "e.csv", "videos": "v.csv"}
    with pytest.raises(BadInput, match=r"v.csv, column creator_id, row 2: 2 is not the id of any row in users"):
        check_references(users.slice(0, 1), videos, events, files=files)
    with pytest.raises(BadInput, match=r"e.csv, column video_id, row 2: 8 is not the id of any row in videos"):
        check_references(users, videos.slice(0, 1), events, files=files)
    check_references(users.slice(0, 1), videos, events, known_users=pa.array([2]))
    check_references(users, videos.slice(0, 1), events, known_videos=pa.array([8, 9]))


def test_set_checks_agree_with_plain_loops() -> None:
    rng = np.random.default_rng(3)
    for spread in (20, 10**18):  # ids close together, and ids far apart
        for _ in range(200):
            ids = rng.integers(-spread, spread, rng.integers(0, 12))
            values = rng.choice(np.concatenate([ids, rng.integers(-spread, spread, 2)]), 8)
            missing = [n for n, value in enumerate(values) if value not in ids]
            assert first_not_in(values, ids) == (missing[0] if missing else None)
            again = [n for n in range(len(values)) if values[n] in values[:n]]
            assert first_duplicate(values) == (again[0] if again else None)


def test_five_hundred_thousand_events_are_checked_in_well_under_a_second(tmp_path: Path) -> None:
    """A loop over rows would take longer; the bound is loose so that a busy machine passes."""
    n = 500_000
    ids = pa.array(np.arange(n))
    table = pa.table(
        {
            "event_id": ids,
            "video_id": pa.array(np.arange(n) % 100),
            "user_id": pa.array(np.arange(n) % 1000),
            "event_type": pa.array(["view"] * n),
            "ts": pa.array(np.arange(n) + 1_700_000_000_000_000, pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, tmp_path / "events.parquet")
    start = datetime.now(UTC)
    events = read_table(tmp_path / "events.parquet", EVENTS)
    users = pa.table({"id": pa.array(np.arange(1000))})
    videos = pa.table({"id": pa.array(np.arange(100)), "creator_id": pa.array(np.arange(100))})
    check_references(users, videos, events)
    assert datetime.now(UTC) - start < timedelta(seconds=1)
