"""What the engine may be told to use, in one place for the settings and for the command line.

No import of the engine here, nor of the settings: each is read by those who do without the other.
"""

from __future__ import annotations

#: Such as 4GB or 1.5 GiB. DuckDB itself would take a negative number for no limit at all.
MEMORY_LIMIT = r"^\d+(\.\d+)?\s?([KMGT]i?B)$"
#: More threads than any machine has cores only cost time: the engine starts every one of them.
MOST_THREADS = 1024
DEFAULT_ENGINE = "duckdb"
ENGINES = (DEFAULT_ENGINE, "spark")
