"""What keeps a command small and quick: pyarrow without pandas, and memory that is given back."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("left out", name=fullname)


def give_back() -> None:
    """Hands the memory that is free in this process back to the system: what was a hundred thousand small arrays is
    not handed back by itself.
    """
    pa.default_memory_pool().release_unused()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:  # other systems than Linux with glibc have none
        trim(0)


def start_arrow_alone() -> None:
    """Lets pyarrow's first conversion of a value pass without pandas.

    That is when it imports pandas wherever it is installed, a fifth of a second for nothing where no data frame is
    asked for. Whoever imports pandas later has it, with all that pyarrow does for it.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
