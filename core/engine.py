"""DuckDB in process: the one engine for set-based work, with bounded memory and a place to spill."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from core.errors import ConfigError
from core.limits import MEMORY_LIMIT

if TYPE_CHECKING:  # a run with files alone does not wait for the reading of settings
    from core.settings import Settings

DEFAULT_MEMORY_LIMIT = "4GB"


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
    DuckDB does not accept.
    """
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
def engine_refusals() -> Iterator[None]:
    """Turns what the engine raises for want of memory or disk into ConfigError; any other error stays what it is."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(f"the memory limit is too small for this ({_first_line(error)})") from error
    except duckdb.IOException as error:
        raise ConfigError(
            f"the engine can not use a file or its folder for temporary files: {_first_line(error)}"
        ) from error


def _first_line(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
