"""What every measurement shares: a plain count as the floor, and a command's seconds and peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from core.errors import StackError

COUNTS_A_ROUND = 5


def count_seconds(events: Path) -> list[float]:
    """Seconds of `count(*) … group by video_id, event_type` in a plain DuckDB, after one warm-up."""
    query = "select video_id, event_type, count(*) from read_parquet($file) group by video_id, event_type"
    seconds = []
    with duckdb.connect() as con:
        for _ in range(COUNTS_A_ROUND + 1):
            begin = time.perf_counter()
            con.sql(query, params={"file": str(events)}).to_arrow_table()
            seconds.append(time.perf_counter() - begin)
    return seconds[1:]


def run_measured(arguments: list[str], environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Runs a command; wall seconds and peak resident GiB of its process. Raises StackError when it fails."""
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise StackError(f"the measured command failed: {errors.read().decode(errors='replace').strip()}")
    # Linux counts in KiB, macOS in bytes.
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30
