"""Which accounts hang together: connected groups of pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from core.engine import Engine

Ints = npt.NDArray[np.int64]
FOLDER = Path(__file__).with_name("signals")


def groups(count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
    """For accounts 0 to `count` - 1 and pairs (one, two): each one's group, named by its smallest member, and that
    group's size. An account without a pair is a group of its own.
    """
    if not len(one):
        return np.arange(count), np.ones(count, np.int64)
    # Loaded here, for it takes a tenth of a second that a log without clusters need not wait for.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs = coo_array((np.ones(len(one), np.int8), (one, two)), shape=(count, count))
    _, labels = connected_components(pairs, directed=False)
    first = np.full(labels.max(initial=-1) + 1, count, np.int64)
    np.minimum.at(first, labels, np.arange(count))
    return first[labels], np.bincount(labels, minlength=len(first))[labels].astype(np.int64)


def groups_by_joining(con: Engine, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
    """The same groups by joins alone, for an engine that no array is in reach of: rounds of `nearer_ties.sql` until
    none is left to be done, about as many as the logarithm of the longest chain.
    """
    con.register("pairs_given", pa.table({"one": one, "two": two}))
    con.execute(_sql("ties"))
    while int(con.sql(_sql("loose_ties")).to_arrow_table()["loose"][0].as_py()):
        con.execute(_sql("nearer_ties"))
    con.unregister("pairs_given")
    ties = con.sql("select high, low from ties order by high").to_arrow_table()
    first = np.arange(count, dtype=np.int64)
    first[ties["high"].to_numpy()] = ties["low"].to_numpy()
    return first, np.bincount(first, minlength=count)[first].astype(np.int64)


def _sql(name: str) -> str:
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")
