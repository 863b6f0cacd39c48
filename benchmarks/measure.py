"""What every measurement shares: a plain count as the floor, and a command's seconds and peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
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
    program = [sys.executable, "-m", "benchmarks.child", *arguments]
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise StackError(f"the measured command failed: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    return found["seconds"], found["gib"]
