"""The steps that are done in one way where the rows are at hand and in another where they are not.

In process, sorted arrays beat hash tables tenfold; on many machines no array holds the rows, so the definitions in
SQL run as they stand. Both ways give the same answer (tests hold them together), and nobody else asks which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bot_account_detection import clusters, meetings
from bot_account_detection.families import Ints
from bot_account_detection.thresholds import Thresholds
from core.engine import Engine, sorts_in_process

FOLDER = Path(__file__).with_name("signals")
PLACED_AT_ONCE = 1 << 24
Columns = Mapping[str, Any]


class Ways(Protocol):
    """The steps of `viewer_weights` that depend on where the rows are."""

    visit_parts: int

    def find_busy_spots(self, t: Thresholds) -> None:
        """Makes the relation `busy_spots` that together.sql reads."""

    def lockstep_pairs(self, t: Thresholds) -> Columns:
        """The columns of lockstep.sql."""

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        """As `clusters.groups`."""


def ways(con: Engine) -> Ways:
    """The ways of an engine."""
    return BySorting(con) if sorts_in_process(con) else ByDefinition(con)


class BySorting:
    """In this process: columns come here and are sorted."""

    #: Accounts of one part fit into the caches of the machine, all of them do not.
    visit_parts = 8

    def __init__(self, con: Engine) -> None:
        self._con = con

    def find_busy_spots(self, t: Thresholds) -> None:
        # Sorting finds the few spots with several acts ten times as fast as a grouping of them all.
        spot = np.sort(columns(self._con, "spots", t)["spot"])
        more = int(t.together_accounts) - 1
        busy = np.unique(spot[more:][spot[more:] == spot[: len(spot) - more]])
        self._con.register("busy_spots", pa.table({"spot": busy}))

    def lockstep_pairs(self, t: Thresholds) -> Columns:
        d = columns(self._con, "people", t)
        user, rarity, videos = (d[name] for name in ("user_id", "rarity", "videos"))
        self._con.register("persons", pa.table({"user_id": user, "person": np.arange(len(user))}))
        visits = meetings.Visits.ordered(**self._placed_visits(int(videos.sum()), t), people=len(user))
        self._con.unregister("persons")
        met = visits.met(len(user))
        p = meetings.pairs(
            visits,
            people=len(user),
            neighbours=t.lockstep_neighbours,
            gap_us=t.lockstep_gap_us,
            close_us=t.lockstep_close_us,
            least=t.lockstep_videos,
        )
        chance = np.maximum(videos[p.one] * met[p.one], videos[p.two] * met[p.two]) / max(1, len(visits.spot))
        one, two = np.minimum(user[p.one], user[p.two]), np.maximum(user[p.one], user[p.two])
        order = np.lexsort((two, one))
        found = {
            "one": one,
            "two": two,
            "together": p.together,
            "close_together": p.close_together,
            "alike": p.rarity / (rarity[p.one] + rarity[p.two] - p.rarity),
            "by_chance": chance,
        }
        return {name: column[order] for name, column in found.items()}

    def _placed_visits(self, count: int, t: Thresholds) -> dict[str, Any]:
        """The columns of `signals/placed_visits.sql`, which has `count` rows."""
        kinds = {"spot": np.int64, "person": np.int32, "first_us": np.int64, "rarity": np.int32}
        placed = {name: np.empty(count, kind) for name, kind in kinds.items()}
        parts, filled = max(1, -(-count // PLACED_AT_ONCE)), 0
        for part in range(parts):
            text = definition("placed_visits").format(part=part, parts=parts)
            found = self._con.sql(text, params=t.parameters("placed_visits")).to_arrow_table()
            for name, column in placed.items():
                column[filled : filled + len(found)] = found[name].to_numpy()
            filled += len(found)
        return placed

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        return clusters.groups(count, one, two)


class ByDefinition:
    """On the engine: the definitions in SQL, word for word."""

    visit_parts = 1

    def __init__(self, con: Engine) -> None:
        self._con = con

    def find_busy_spots(self, t: Thresholds) -> None:
        self._con.execute(definition("busy_spots"), t.parameters("busy_spots"))

    def lockstep_pairs(self, t: Thresholds) -> Columns:
        return columns(self._con, "lockstep", t)

    def groups(self, count: int, one: Ints, two: Ints) -> tuple[Ints, Ints]:
        return clusters.groups_by_joining(self._con, count, one, two)


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
