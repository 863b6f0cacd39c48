"""How much the long proofs do: a little in `./run test`, all of it with FAIRSHARE_NIGHTLY=1."""

from __future__ import annotations

import os

NIGHTLY = os.environ.get("FAIRSHARE_NIGHTLY") == "1"


def scaled(short: int, full: int) -> int:
    """The number for this run."""
    return full if NIGHTLY else short
