"""How fast `./run score` is from a local Supabase: events read, weighed, scored, and the results written back."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import run_measured
from benchmarks.worlds import WEEK, world
from core.terminal import console
from local_stack.stack import Stack


def score_seconds(events: int) -> float:
    """Seconds of the whole command over the week of a world of `events` events, in a Supabase of its own."""
    stack = Stack(f"bench-{os.getpid()}")
    environment = os.environ | {"FAIRSHARE_STACK": stack.name}
    try:
        stack.up()
        with tempfile.TemporaryDirectory(prefix="fairshare-bench-") as folder:
            world(events).write(Path(folder))
            console.print(f"importing {events} events …")
            run_measured([sys.executable, "-m", "cli", "import", folder], environment)
        days = ["--from", f"{WEEK.start:%Y-%m-%d}", "--to", f"{WEEK.end:%Y-%m-%d}"]
        return run_measured([sys.executable, "-m", "cli", "score", *days], environment)[0]
    finally:
        stack.remove()
