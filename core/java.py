"""Which Java this machine has: what Spark runs on."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

#: What Spark 4 asks for.
NEEDED = 17


def java_version() -> int | None:
    """The major version of the Java that Spark would start (JAVA_HOME first, then the PATH); None without any."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if program is None:
        return None
    # It speaks to standard error: openjdk version "17.0.15" 2025-04-15; before Java 9 it was 1.8.
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', said.stderr + said.stdout)
    return int(found[1]) if found and said.returncode == 0 else None
