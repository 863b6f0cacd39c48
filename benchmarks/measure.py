"""What every measurement shares: a plain count as the floor, and a command's seconds and peak memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from core.errors import StackError

COUNTS_A_ROUND = 5
#: Linux counts resident memory in KiB, macOS in bytes.
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


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


def own_peak_gib() -> float:
    """The most memory that this process has held, in GiB.

    Not what the kernel keeps for its children: that begins with the size of the process that started this one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        words = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(words["VmHWM"].split()[0]) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT / 2**30


def run_measured(arguments: list[str], environment: dict[str, str] | None = None) -> tuple[float, float]:
    """Runs a command; wall seconds and peak resident GiB of its process. Raises StackError when it fails.

    The kernel's figure is never below what this process holds when it starts the command: callers stay small.
    """
    begin = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise StackError(f"the measured command failed: {errors.read().decode(errors='replace').strip()}")
    return seconds, usage.ru_maxrss * _RSS_UNIT / 2**30
