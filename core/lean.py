"""pyarrow without pandas, for a command that is measured in fractions of a second."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

import pyarrow as pa


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("left out", name=fullname)


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
