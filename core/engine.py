"""Who does the set-based work: DuckDB in process, with bounded memory and a place to spill, or Spark past one machine.

Both take the same statements in DuckDB's dialect; whoever asks knows `Engine` and not which of them it is.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import duckdb
import pyarrow as pa

from core.errors import ConfigError
from core.limits import DEFAULT_ENGINE, ENGINES, MEMORY_LIMIT

if TYPE_CHECKING:  # a run with files alone does not wait for the reading of settings
    from core.settings import Settings

DEFAULT_MEMORY_LIMIT = "4GB"


class Relation(Protocol):
    """An answer that is not fetched yet."""

    def to_arrow_table(self) -> pa.Table: ...


class Engine(Protocol):
    """What the models may ask of an engine: the narrow part of a DuckDB connection that every engine has."""

    def execute(self, query: str, parameters: Mapping[str, Any] | None = None, /) -> object:
        """Makes a temporary table or view, sets a variable, defines a macro."""

    def sql(self, query: str, *, params: Mapping[str, Any] | None = None) -> Relation:
        """Asks a question."""

    def register(self, view: str, table: pa.Table, /) -> object:
        """Makes an Arrow table of this process a relation."""

    def unregister(self, view: str, /) -> object:
        """Forgets a registered table."""


def sorts_in_process(engine: Engine) -> TypeGuard[duckdb.DuckDBPyConnection]:
    """Whether the rows are in this process's reach, so that sorting arrays here is faster than asking the engine."""
    return isinstance(engine, duckdb.DuckDBPyConnection)


def engine_name(engine: Engine) -> str:
    """Name and version, as a result tells them."""
    return f"duckdb {duckdb.__version__}" if sorts_in_process(engine) else str(getattr(engine, "name", engine))


def connect(
    settings: Settings | None = None,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    temp_dir: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """An empty in-memory database that spills to disk beyond `memory_limit` (such as "4GB").

    What is not given comes from `settings`, else from the defaults: 4 GB, every core, the system's folder for
    temporary files. Nothing is downloaded and nothing is installed. Raises ConfigError for a setting that
    DuckDB does not accept, and for settings that ask for another engine.
    """
    if settings and settings.fairshare_engine != DEFAULT_ENGINE:
        raise ConfigError(
            f"FAIRSHARE_ENGINE={settings.fairshare_engine} is for ./run split, which reads files; "
            f"what is in the database is counted by {DEFAULT_ENGINE}"
        )
    limit = memory_limit or (settings.fairshare_memory_limit if settings else DEFAULT_MEMORY_LIMIT)
    count = threads or (settings.fairshare_threads if settings else None)
    spill = temp_dir or (settings.fairshare_temp_dir if settings else None) or Path(tempfile.gettempdir())
    if not re.fullmatch(MEMORY_LIMIT, limit):
        raise ConfigError(f"the memory limit {limit!r} is no size such as 4GB")
    options: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": limit,
        "temp_directory": str(spill / "fairshare-duckdb"),
        # Every result that leaves the engine is ordered by its key, so rows may be read in any order. It has to
        # leave by con.sql(…): con.execute(…).to_arrow_table() reads its own result back in any order, too.
        "preserve_insertion_order": False,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    if count is not None:
        options["threads"] = count
    try:
        con = duckdb.connect(":memory:", config=options)
        con.execute("set timezone = 'UTC'")
        # Files lie on this machine: holding whole row groups ahead would cost more than it saves.
        con.execute("set disable_parquet_prefetching = true")
    except duckdb.Error as error:
        raise ConfigError(f"DuckDB does not accept a setting: {_first_line(error)}") from error
    return con


@contextmanager
def open_engine(
    name: str,
    *,
    memory_limit: str = DEFAULT_MEMORY_LIMIT,
    threads: int | None = None,
    temp_dir: Path | None = None,
    spark_master: str | None = None,
) -> Iterator[Engine]:
    """The engine of that name, empty; `spark_master` is for Spark alone.

    Raises ConfigError for a name that is none, for what an engine needs and is not there, and as `connect` does.
    """
    if name not in ENGINES:
        raise ConfigError(f"there is no engine {name!r}; there is {' and '.join(ENGINES)}")
    if name == DEFAULT_ENGINE:
        with connect(memory_limit=memory_limit, threads=threads, temp_dir=temp_dir) as con:
            yield con
        return
    if not re.fullmatch(MEMORY_LIMIT, memory_limit):
        raise ConfigError(f"the memory limit {memory_limit!r} is no size such as 4GB")
    # Loaded here, for nobody else waits for what it needs.
    from core import spark

    with spark.connect(master=spark_master, memory_limit=memory_limit, threads=threads, temp_dir=temp_dir) as engine:
        yield engine


@contextmanager
def engine_refusals() -> Iterator[None]:
    """Turns what the engine raises for want of memory or disk into ConfigError; any other error stays what it is."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(f"the memory limit is too small for this ({_first_line(error)})") from error
    except MemoryError as error:
        raise ConfigError(f"this process has too little memory for this ({error})") from error
    except duckdb.IOException as error:
        raise ConfigError(
            f"the engine can not use a file or its folder for temporary files: {_first_line(error)}"
        ) from error


#: How DuckDB's errors begin, for what comes through Arrow is an error of Arrow's with DuckDB's words.
_BEGINNINGS: dict[str, type[duckdb.Error]] = {
    "Invalid Input Error": duckdb.InvalidInputException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "IO Error": duckdb.IOException,
}


def batches(asked: duckdb.DuckDBPyRelation, rows: int) -> Iterator[pa.RecordBatch]:
    """The answer, about so many rows at a time; raises the engine's errors as themselves, whichever row they are at."""
    try:
        yield from asked.to_arrow_reader(rows)
    except OSError as error:
        kind = _BEGINNINGS.get(str(error).partition(":")[0])
        if kind is None:
            raise
        raise kind(str(error)) from error


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
