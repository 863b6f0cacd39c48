"""The families' definitions in SQL: their texts, their answers, and the way that runs them word for word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bot_account_detection import clusters
from bot_account_detection.audiences import Pairs, Visitors
from bot_account_detection.families import Ints
from bot_account_detection.thresholds import Thresholds
from core.engine import Engine
from core.timewindows import Window

FOLDER = Path(__file__).with_name("signals")
Columns = Mapping[str, Any]
#: What the families read, in the order of their needs.
RELATIONS = (
    "acts", "visits", "popular", "lives", "used_devices", "busy_acts", "gathered", "there", "hits", "hours",
    "crowded_acts", "lively", "ordinary",
)  # fmt: skip
#: Visits are looked at in so many parts of the accounts.
PARTS = 8
_ID = {"accounts": "user_id", "creators": "creator_id"}


def definition(name: str) -> str:
    """The text of a family's SQL."""
    return (FOLDER / f"{name}.sql").read_text(encoding="utf-8")


def columns(con: Engine, name: str, t: Thresholds) -> dict[str, Any]:
    """The columns of a definition's answer; unknown values are not-a-number."""
    text = definition(name)
    if name == "lockstep":
        text = text.format(neighbours=t.lockstep_neighbours)
    table = con.sql(text, params=t.parameters(name) or None).to_arrow_table()
    return {column: table[column].to_numpy() for column in table.column_names}


class ByDefinition:
    """On the engine: the definitions in SQL, word for word."""

    threads = 1

    def __init__(self, con: Engine) -> None:
        self._con = con

    def begin(self, window: Window, t: Thresholds) -> None:
        """Makes the relations that the families read; acts are those of `[since_us, until_us)`, variables of the
        engine.
        """
        for name in RELATIONS:
            parameters = t.parameters(name)
            # Not every engine takes an empty set of them.
            if parameters:
                self._con.execute(definition(name), parameters)
            else:
                self._con.execute(definition(name))

    def devices(self, t: Thresholds) -> Columns:
        return columns(self._con, "device", t)

    def together(self, t: Thresholds) -> Columns:
        return columns(self._con, "together", t)

    def circle(self, t: Thresholds) -> Columns:
        return columns(self._con, "circle", t)

    def lockstep_pairs(self, t: Thresholds) -> Columns:
        return columns(self._con, "lockstep", t)

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        return clusters.groups_by_joining(self._con, count, one, two)

    def visitors(self, ids: Ints, t: Thresholds) -> tuple[list[Visitors], Ints]:
        creators = self._con.sql("select distinct creator_id from videos order by creator_id").to_arrow_table()
        for name, column in (("accounts", pa.array(ids)), ("creators", creators["creator_id"])):
            number = np.arange(len(column), dtype=np.int32)
            self._con.register(f"numbered_{name}", pa.table([column, pa.array(number)], [_ID[name], "number"]))
        found = []
        for part in range(PARTS):
            sql = definition("errands").format(part=part, parts=PARTS)
            table = self._con.sql(sql, params=t.parameters("errands")).to_arrow_table()
            one = {name: table[name].to_numpy() for name in table.column_names}
            one["reported"], one["praised"] = one.pop("reports") > 0, one.pop("praise") > 0
            found.append(Visitors.of(Pairs.of(**one), t))
        for name in _ID:
            self._con.unregister(f"numbered_{name}")
        return found, creators["creator_id"].to_numpy()
