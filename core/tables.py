"""The tables that every reader of files agrees on: users, videos, events, labels; and the checks that let them in.

`read_table` turns a Parquet, CSV or JSON lines file into exactly the columns of a `TableSpec`, or raises one
`BadInput` that names the file, the column and the first bad row. `scan_table` gives DuckDB the same rows
slice by slice, without holding them in memory, for event logs of many millions of rows. `check_references`
proves that the tables fit together. All of it is set-based: no Python object is made for a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from core.ahead import ahead
from core.engine import Engine
from core.errors import BadInput
from core.table_files import is_parquet, literal_path, parquet_files, parquet_schema, read_raw, read_slices
from core.table_values import BadValue, Kind, arrow_type, converted, is_exact
from core.timewindows import EARLIEST, LATEST

EVENT_TYPES = ("view", "like", "comment", "share", "follow", "report", "pause")
VERDICTS = ("confirmed", "cleared")
#: Rows that are checked at once: few enough to stay in the cache.
SLICE_ROWS = 1 << 17


@dataclass(frozen=True)
class Column:
    """One column: its kind, whether every row needs a value, and the values that are allowed (both ends
    included).
    """

    name: str
    kind: Kind
    required: bool = False
    low: float | datetime | None = None
    high: float | datetime | None = None
    choices: tuple[str, ...] | None = None
    zero_is_unknown: bool = False

    @property
    def field(self) -> pa.Field:
        """The Arrow field of the finished column."""
        return pa.field(self.name, arrow_type(self.kind), nullable=not self.required)


@dataclass(frozen=True)
class TableSpec:
    """A table's name, columns and key (unique where it is present)."""

    name: str
    key: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that `read_table` returns, columns in this order."""
        return pa.schema([column.field for column in self.columns])

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if there is none."""
        return next(column for column in self.columns if column.name == name)


def _id(name: str, *, required: bool = True) -> Column:
    return Column(name, Kind.INTEGER, required, low=0)


def _time(name: str, *, required: bool = False) -> Column:
    return Column(name, Kind.TIME, required, low=EARLIEST, high=LATEST)


USERS = TableSpec(
    "users",
    "id",
    (
        _id("id"),
        _time("created_at"),
        Column("is_creator", Kind.BOOLEAN),
        Column("likely_bot", Kind.BOOLEAN),
        Column("kyc_level", Kind.SMALL_INTEGER, low=0, high=3),
        Column("creator_trust_score", Kind.NUMBER, low=0, high=100),
        Column("viewer_trust_score", Kind.NUMBER, low=0, high=100),
    ),
)
VIDEOS = TableSpec(
    "videos",
    "id",
    (
        _id("id"),
        _id("creator_id"),
        _time("created_at"),
        Column("title", Kind.TEXT),
        Column("duration_s", Kind.NUMBER, low=0, high=10_000_000, zero_is_unknown=True),
        Column("eis_current", Kind.NUMBER, low=0, high=100),
        _time("eis_updated_at"),
    ),
)
LABELS = TableSpec(
    "labels",
    "user_id",
    (
        _id("user_id"),
        Column("verdict", Kind.TEXT, choices=VERDICTS),
        Column("reason_code", Kind.TEXT),
        _time("expires_at"),
        Column("reports_upheld", Kind.INTEGER, low=0),
        Column("reports_dismissed", Kind.INTEGER, low=0),
    ),
)
EVENTS = TableSpec(
    "events",
    "event_id",
    (
        _id("event_id", required=False),
        _id("video_id"),
        _id("user_id"),
        Column("event_type", Kind.TEXT, required=True, choices=EVENT_TYPES),
        _time("ts", required=True),
        Column("device_id", Kind.TEXT),
        Column("ip_hash", Kind.TEXT),
    ),
)


def read_table(path: Path | str, spec: TableSpec) -> pa.Table:
    """The rows of a file, in the file's order, with exactly `spec.schema`.

    The suffix tells the format: `.parquet`, `.csv`, `.jsonl`/`.ndjson` (one object a line) or `.json` (an
    array, or lines). Columns that may be null may also be missing; other columns of the file are left out;
    empty text is null; a time without a zone is UTC. Raises BadInput with the file, the column and the first
    bad row.
    """
    path = Path(path)
    raw = read_raw(path, [column.name for column in spec.columns])
    table = pa.table(_converted_columns(raw, spec, spec.columns, path), schema=spec.schema)
    _check_key(table, spec, path)
    return table


def scan_table(con: Engine, path: Path | str, spec: TableSpec, view: str) -> Iterator[pa.Table]:
    """Makes `view` in `con` the checked rows of a file, and yields the columns that `check_references` needs, in
    slices in the file's order; nothing is certain before the last slice.

    A Parquet file that has the right types already is scanned in place by the engine, so memory stays small
    however long the log is, and so is a folder of such files, each a day for example; any other file is read by
    `read_table` and registered. Times appear in DuckDB as `timestamptz`. The slices have the integer and time
    columns of `spec`. Raises BadInput like `read_table`; the bytes of free text (device, address, title) are left to
    DuckDB here, which refuses text that is not UTF-8 when it reads it: `refuse_bad_text` then names the row.
    """
    path = Path(path)
    keys = [c for c in spec.columns if c.kind in (Kind.INTEGER, Kind.TIME)]
    if not scan_in_place(con, path, spec, view):
        table = read_table(path, spec)
        con.register(view, table)
        for start in range(0, max(1, table.num_rows), SLICE_ROWS):
            yield table.select([c.name for c in keys]).slice(start, SLICE_ROWS)
        return
    yield from _checked_slices(path, spec, keys)


def scan_in_place(con: Engine, path: Path, spec: TableSpec, view: str) -> bool:
    """Makes `view` the rows of a Parquet file, or of a folder of them, unchecked, if the types are right already.

    Raises BadInput for a file that is broken, and for a folder whose files are not all alike.
    """
    files = parquet_files(path)
    schemas = [parquet_schema(file) if is_parquet(file) else None for file in files]
    present = {c.name: [s is not None and c.name in s.names for s in schemas] for c in spec.columns}
    exact = all(
        s is not None and all(c.name not in s.names or is_exact(s.field(c.name).type, c.kind) for c in spec.columns)
        for s in schemas
    )
    alike = all(len(set(has)) == 1 for has in present.values())
    if not (exact and alike):
        if path.is_dir():
            raise BadInput(
                "its files need the same columns, whole numbers as 64 bits and times in microseconds of UTC", file=path
            )
        return False
    columns = ", ".join(_sql_column(c, present=present[c.name][0]) for c in spec.columns)
    source = (literal_path(path) + ("/*.parquet" if path.is_dir() else "")).replace("'", "''")
    # A view can not take parameters; the columns come from the spec, and the path is quoted above.
    sql = f"create or replace temp view \"{view}\" as select {columns} from read_parquet('{source}')"  # noqa: S608
    con.execute(sql)
    return True


def _checked_slices(path: Path, spec: TableSpec, keys: list[Column]) -> Iterator[pa.Table]:
    """The columns `keys` of a Parquet file, every value of every column but free text checked."""
    checked = tuple(c for c in spec.columns if c.kind is not Kind.TEXT or c.choices)
    schema = pa.schema([c.field for c in keys])
    texts = [c.name for c in checked if c.kind is Kind.TEXT]
    highest, is_ordered = -1, True  # ids begin at 0
    for file in parquet_files(path):
        start = 0
        for raw in ahead(read_slices(file, [c.name for c in checked], as_dictionary=texts, rows=SLICE_ROWS)):
            done = _converted_columns(raw, spec, checked, file, first_row=start)
            table = pa.table({c.name: done[c.name] for c in keys}, schema=schema)
            ids = _numpy(table[spec.key].drop_null())
            if len(ids) and is_ordered:
                is_ordered = bool(ids[0] > highest and np.all(ids[1:] > ids[:-1]))
                highest = int(ids[-1])
            start += raw.num_rows
            yield table
    if not is_ordered:
        # Growing ids, as logs have them, are unique; any others are compared all together.
        raw = pa.concat_tables(read_raw(file, [spec.key]) for file in parquet_files(path))
        _check_key(pa.table(_converted_columns(raw, spec, (spec.column(spec.key),), path)), spec, path)


def refuse_bad_text(path: Path | str, spec: TableSpec) -> None:
    """Raises BadInput for the first free text of a Parquet file that is not UTF-8, if there is one."""
    for file in parquet_files(Path(path)):
        found = parquet_schema(file).names
        for column in (c for c in spec.columns if c.kind is Kind.TEXT and c.name in found):
            start = 0
            for raw in read_slices(file, [column.name], as_dictionary=(), rows=SLICE_ROWS):
                _converted_columns(raw, spec, (column,), file, first_row=start)
                start += raw.num_rows


def check_references(
    users: pa.Table,
    videos: pa.Table,
    events: pa.Table | None,
    *,
    files: dict[str, Path | str] | None = None,
    known_users: pa.Array | None = None,
    known_videos: pa.Array | None = None,
) -> None:
    """Proves that every creator, viewer and video that is named exists.

    `files` gives the names to show (keys `users`, `videos`, `events`); `known_*` are ids that exist
    elsewhere, such as in the database. Raises BadInput with the file, the column and the first bad row.
    """
    shown = {name: str((files or {}).get(name, name)) for name in ("users", "videos", "events")}
    user_ids = _ids(users["id"], known_users)
    video_ids = _ids(videos["id"], known_videos)
    checks = [(videos, "videos", "creator_id", "users", user_ids)]
    if events is not None:
        checks.append((events, "events", "video_id", "videos", video_ids))
        checks.append((events, "events", "user_id", "users", user_ids))
    for table, name, column, target, ids in checks:
        values = _numpy(table[column])
        row = first_not_in(values, ids)
        if row is not None:
            raise BadInput(
                f"{values[row]} is not the id of any row in {target}",
                file=shown[name],
                column=column,
                row=row + 1,
            )


def first_not_in(values: np.ndarray, ids: np.ndarray) -> int | None:
    """The position of the first of `values` that is not in `ids` (both int64), or None.

    A table of flags answers in one pass where the ids lie close together, as ids of tables do; a sorted
    search answers for any others.
    """
    if len(values) == 0:
        return None
    if len(ids) == 0:
        return 0
    low, high = int(ids.min()), int(ids.max())
    if high - low < max(1_000_000, 64 * len(ids)):
        flags = np.zeros(high - low + 1, dtype=bool)
        flags[ids - low] = True
        inside = (values >= low) & (values <= high)
        known = flags[np.where(inside, values - low, 0)] & inside
    else:
        ordered = np.sort(ids)
        known = ordered[np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)] == values
    bad = int(np.argmin(known))
    return None if known[bad] else bad


def first_duplicate(values: np.ndarray) -> int | None:
    """The position of the first value that stood before already, or None. int64; ordered input costs one
    pass.
    """
    if len(values) < 2 or bool(np.all(values[1:] > values[:-1])):
        return None
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    again = order[1:][ordered[1:] == ordered[:-1]]
    return int(again.min()) if len(again) else None


def _converted_columns(
    raw: pa.Table, spec: TableSpec, columns: tuple[Column, ...], path: Path, *, first_row: int = 0
) -> dict[str, Any]:
    """`raw` with the types and rules of `columns` applied; of several bad values the one in the first row is
    named. `raw` begins after `first_row` rows of the file.
    """
    done: dict[str, Any] = {}
    worst: BadInput | None = None
    for column in columns:
        if column.name not in raw.column_names:
            if column.required:
                raise BadInput(f"the column {column.name} is missing; {spec.name} need it", file=path)
            done[column.name] = pa.nulls(raw.num_rows, column.field.type)
            continue
        try:
            done[column.name] = converted(
                raw[column.name],
                column.kind,
                required=column.required,
                low=column.low,
                high=column.high,
                choices=column.choices,
                zero_is_unknown=column.zero_is_unknown,
            )
        except BadValue as bad:
            row = None if bad.position is None else first_row + bad.position + 1
            if worst is None or (row or 0) < (worst.row or 0):
                worst = BadInput(bad.sentence, file=path, column=column.name, row=row)
    if worst is not None:
        raise worst
    return done


def _check_key(table: pa.Table, spec: TableSpec, path: Path) -> None:
    column = table[spec.key]
    if column.null_count:
        where = np.flatnonzero(_numpy(pc.is_valid(column)))
        values = _numpy(column.drop_null())
    else:
        where, values = None, _numpy(column)
    at = first_duplicate(values)
    if at is not None:
        row = at if where is None else int(where[at])
        raise BadInput(f"{values[at]} stands there twice; ids are unique", file=path, column=spec.key, row=row + 1)


def _sql_column(column: Column, *, present: bool) -> str:
    """The column as DuckDB reads it from a Parquet file whose types `is_exact` has accepted."""
    name = f'"{column.name}"'
    kinds = {
        Kind.INTEGER: "bigint",
        Kind.SMALL_INTEGER: "integer",
        Kind.NUMBER: "double",
        Kind.BOOLEAN: "boolean",
        Kind.TIME: "timestamptz",
        Kind.TEXT: "varchar",
    }
    if not present:
        return f"null::{kinds[column.kind]} as {name}"
    if column.choices and column.required:
        return name  # checked: it is one of the choices, so never empty
    if column.kind is Kind.TEXT:
        return f"nullif({name}, '') as {name}"
    if column.zero_is_unknown:
        return f"nullif({name}, 0)::{kinds[column.kind]} as {name}"
    return f"{name}::{kinds[column.kind]} as {name}"


def _ids(column: pa.ChunkedArray, known: pa.Array | None) -> np.ndarray:
    ids = _numpy(column)
    return ids if known is None else np.concatenate([ids, _numpy(known)])


def _numpy(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The values of a column without nulls."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return np.asarray(column.to_numpy(zero_copy_only=False))
