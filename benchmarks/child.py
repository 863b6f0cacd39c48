"""`python -m benchmarks.child COMMAND …`: runs a command; prints its wall seconds and the peak memory of its process.

The kernel's figure for a process begins with the size of the one that started it. So a measured command is started from
here, where nothing is loaded, and not from a program that has just made a world of events.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

#: Linux counts resident memory in KiB, macOS in bytes.
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def main(command: list[str]) -> int:
    """Returns the command's exit code; its errors go where ours go."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    print(json.dumps({"seconds": seconds, "gib": usage.ru_maxrss * RSS_UNIT / 2**30}))
    return abs(process.returncode)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
