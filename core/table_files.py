"""Files into raw Arrow columns. Parquet keeps its types; CSV and JSON come out as bytes and text, for
`table_values`.

Raises BadInput for a file that is not there, empty, of an unknown kind or broken; the row is named where it
is known.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from core.errors import BadInput

SUFFIXES = (".parquet", ".csv", ".jsonl", ".ndjson", ".json")


def read_raw(path: Path, columns: Sequence[str], *, as_dictionary: Sequence[str] = ()) -> pa.Table:
    """Those of `columns` that the file has, in the file's row order. `as_dictionary` is for Parquet text
    only.
    """
    suffix = _checked_suffix(path)
    if suffix == ".parquet":
        return _read_parquet(path, columns, as_dictionary)
    if suffix == ".csv":
        return _read_csv(path, columns)
    return _read_json(path, columns)


def read_slices(path: Path, columns: Sequence[str], *, as_dictionary: Sequence[str], rows: int) -> Iterator[pa.Table]:
    """Those of `columns` that a Parquet file has, `rows` rows at a time; an empty file gives one empty slice."""
    wanted = [name for name in columns if name in parquet_schema(path).names]
    try:
        with pq.ParquetFile(path, read_dictionary=[name for name in as_dictionary if name in wanted]) as file:
            if file.metadata.num_rows == 0:
                yield file.read(columns=wanted)
            for batch in file.iter_batches(rows, columns=wanted):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"can not be read as Parquet: {_one_line(error)}", file=path) from error


def is_parquet(path: Path) -> bool:
    """Whether the name says Parquet."""
    return path.suffix.lower() == ".parquet"


def parquet_files(path: Path) -> list[Path]:
    """The Parquet files of a folder in the order of their names; a file alone is its own only one."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if is_parquet(file))
    if not files:
        raise BadInput("is a folder without a .parquet file", file=path)
    return files


def require_text(path: Path) -> None:
    """Raises BadInput for a name that is not UTF-8: the engines can not be told it."""
    if any("\ud800" <= sign <= "\udfff" for sign in str(path)):
        raise BadInput("has a name that is not text in UTF-8", file=path)


def literal_path(path: Path) -> str:
    """The path for DuckDB, which would take a *, a ? or a [ in a name for a pattern and read other files."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))


def parquet_schema(path: Path) -> pa.Schema:
    """The Arrow schema of a Parquet file; BadInput if it can not be read or names a column twice."""
    _checked_suffix(path)
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"can not be read as Parquet: {_one_line(error)}", file=path) from error
    _check_names(schema.names, path)
    return schema


def _checked_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise BadInput(f"is of an unknown kind; the name should end with one of {', '.join(SUFFIXES)}", file=path)
    require_text(path)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise BadInput("there is no such file", file=path) from None
    except OSError as error:
        raise BadInput(f"can not be read: {error.strerror}", file=path) from error
    if not path.is_file():
        raise BadInput("is not a file", file=path)
    if size == 0:
        raise BadInput("is empty", file=path)
    return suffix


def _read_parquet(path: Path, columns: Sequence[str], as_dictionary: Sequence[str]) -> pa.Table:
    names = parquet_schema(path).names
    try:
        with pq.ParquetFile(path, read_dictionary=[name for name in as_dictionary if name in names]) as file:
            return file.read(columns=[name for name in columns if name in names])
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"can not be read as Parquet: {_one_line(error)}", file=path) from error


def _read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    try:
        with pacsv.open_csv(path, parse_options=pacsv.ParseOptions(newlines_in_values=True)) as reader:
            names = reader.schema.names
    except pa.ArrowInvalid:
        # The first block has a broken row; the header is all that is wanted here.
        _require_utf8(path)
        names = _csv_header(path)
    except UnicodeDecodeError:
        raise BadInput("is not text in UTF-8", file=path) from None
    except OSError as error:
        raise BadInput(f"can not be read: {_one_line(error)}", file=path) from error
    _check_names(names, path)
    wanted = [name for name in columns if name in names]
    if not wanted:
        raise BadInput(f"has none of the columns {', '.join(columns)}", file=path)
    convert = pacsv.ConvertOptions(
        include_columns=wanted,
        column_types={name: pa.binary() for name in wanted},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=True,
    )
    try:
        return pacsv.read_csv(path, parse_options=pacsv.ParseOptions(newlines_in_values=True), convert_options=convert)
    except (pa.ArrowException, OSError) as error:
        _require_utf8(path)
        found: list[pacsv.InvalidRow] = []
        row = _first_broken_csv_row(path, convert, found)
        if row is None:
            raise BadInput(f"can not be read as CSV: {_one_line(error)}", file=path) from error
        bad = found[0]
        raise BadInput(
            f"has {bad.actual_columns} fields where the header has {bad.expected_columns}", file=path, row=row
        ) from error


def _csv_header(path: Path) -> list[str]:
    names: list[str] = []
    try:
        options = pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda row: "skip")
        with pacsv.open_csv(path, parse_options=options) as reader:
            names = reader.schema.names
    except (pa.ArrowException, OSError) as error:
        raise BadInput(f"can not be read as CSV: {_one_line(error)}", file=path) from error
    return names


def _require_utf8(path: Path) -> None:
    """Read once, on failure: Arrow hands broken rows over as text, and would complain on standard error about bytes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise BadInput("is not text in UTF-8", file=path) from None


def _first_broken_csv_row(path: Path, convert: pacsv.ConvertOptions, found: list[pacsv.InvalidRow]) -> int | None:
    """The data row with a wrong number of fields. Rows have numbers only when one thread reads."""

    def stop(row: pacsv.InvalidRow) -> str:
        found.append(row)
        return "error"

    try:
        pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=stop),
            convert_options=convert,
        )
    except pa.ArrowInvalid:
        return found[0].number - 1 if found and found[0].number is not None else None
    return None


def _read_json(path: Path, columns: Sequence[str]) -> pa.Table:
    kind = "newline_delimited" if path.suffix.lower() != ".json" else "auto"
    types = "{" + ", ".join(f"'{name}': 'VARCHAR'" for name in columns) + "}"
    # The columns are those of a TableSpec, never a user's words.
    query = f"from read_json($path, columns = {types}, format = $kind, records = 'true')"
    rows: pa.Table
    with duckdb.connect(":memory:") as con:
        try:
            rows = con.sql(query, params={"path": literal_path(path), "kind": kind}).to_arrow_table()
        except duckdb.Error as error:
            row = _first_broken_json_row(path) if kind != "auto" else None
            raise BadInput(f"can not be read as JSON: {_one_line(error)}", file=path, row=row) from error
    # A key that no object has is a missing column, as it would be in the other formats.
    present = [name for name in columns if rows[name].null_count < rows.num_rows or rows.num_rows == 0]
    return rows.select(present)


def _first_broken_json_row(path: Path) -> int | None:
    """The first line that is not a JSON object, counted among the lines that are not blank; read once, on
    failure.
    """
    row = 0
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            row += 1
            try:
                if not isinstance(json.loads(line, parse_constant=_no_constant), dict):
                    return row
            except ValueError:  # bad JSON and bad UTF-8 both are
                return row
    return None


def _no_constant(word: str) -> None:
    raise ValueError(f"{word} is not JSON")


def _check_names(names: Sequence[str], path: Path) -> None:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise BadInput("the column stands there twice", file=path, column=twice[0])


def _one_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0].strip()
