"""DuckDB in process: the one engine for set-based work, with bounded memory and a place to spill."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from core.errors import ConfigError

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
        raise ConfigError(f"DuckDB does not accept a setting: {str(error).splitlines()[0]}") from error
    return con
