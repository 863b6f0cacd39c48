"""The window's events with the weight of each viewer, in one way where the rows are at hand and in another where they
are not; what is found is the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from bot_account_detection import viewer_trust
from bot_account_detection.by_sorting import BySorting
from bot_account_detection.ways import Ways
from core.arrays import Floats, Ints
from core.engine import Engine
from core.event_log import NEVER_US
from core.lean import give_back
from core.timewindows import Window
from viewer_activity import signals
from viewer_activity.weighed_log import NANO, Keep, Viewers, WeighedLog

Figures = dict[str, Any]


class Weighing(Protocol):
    """The events of a window with the weight of each viewer."""

    def given(self) -> tuple[Ints, Floats]:
        """Of each viewer who gave any: all units, in thousandths, and the weight; ordered by id."""

    def set_rates(self, rate_femto: Ints) -> None:
        """What a thousandth of a unit is worth, one entry a viewer of `given`."""

    def figures(self, *, with_quiet: bool = False) -> Figures:
        """Every figure of every video and day, as weighted_days.sql names them, ordered by day and video."""


def weighing(
    con: Engine,
    window: Window,
    way: Ways,
    *,
    as_of: datetime | None,
    early_us: int,
    units: dict[str, int],
    to_explain: bool = True,
) -> Weighing:
    """The events of `window` under the relation `weights` (user_id, weight, cluster_id, report_weight, cleared).

    `con` holds `users`, `videos` and `events` too, and where `way` has weighed the window, its `discounts`. `units` are
    those of each kind of act, `early_us` is how long after the upload a view is an early one. What is not `to_explain`
    is asked for its figures once, and the log is let go on the way.
    """
    days = signals.set_up(con, window, as_of)
    con.execute(f"set variable early_us = {early_us}")
    con.execute(signals.sql("video_index"))
    if isinstance(way, BySorting):
        return InProcess(con, window, way, days["as_of_us"], early_us, units, to_explain=to_explain)
    return ByStatements(con, units)


class ByStatements:
    """The definitions, word for word."""

    def __init__(self, con: Engine, units: dict[str, int]) -> None:
        self._con = con
        con.execute(signals.sql("whole_weights"))
        con.execute(signals.sql("counted_events"))
        con.execute(signals.sql("weighted_events"), {f"unit_{word}": number for word, number in units.items()})
        self._people = con.sql(signals.sql("viewer_units")).to_arrow_table()

    def given(self) -> tuple[Ints, Floats]:
        return self._people["units"].to_numpy(), self._people["weight_nano"].to_numpy() / NANO

    def set_rates(self, rate_femto: Ints) -> None:
        rates = {"user_id": self._people["user_id"], "rate_femto": pa.array(rate_femto)}
        self._con.register("viewer_rates", pa.table(rates))

    def figures(self, *, with_quiet: bool = False) -> Figures:
        for name in ("weighted_audience", "weighted_trust", "weighted_devices"):
            self._con.execute(signals.sql(name))
        return _read(self._con, with_quiet)


class InProcess:
    """Sorted arrays."""

    def __init__(
        self,
        con: Engine,
        window: Window,
        way: BySorting,
        as_of_us: Ints,
        early_us: int,
        units: dict[str, int],
        *,
        to_explain: bool,
    ) -> None:
        self._con, self._as_of_us, self._to_explain = con, as_of_us, to_explain
        self._accounts = viewer_trust.Accounts.of(
            way.log.names.users,
            con.sql(
                "select id, viewer_trust_score, epoch_us(created_at) as created_us, kyc_level, likely_bot from users"
            ).to_arrow_table(),
        )
        index = con.sql("select created_us from video_index order by position").to_arrow_table()["created_us"]
        self.log = WeighedLog(
            way.log,
            window,
            viewers=Viewers.of(
                way.log.names,
                con.sql("from weights").to_arrow_table(),
                con.sql("from discounts").to_arrow_table(),
            ),
            created_us=index.fill_null(NEVER_US).to_numpy(),
            early_us=early_us,
            units=units,
            threads=way.threads,
        )
        self._given = self.log.given()
        if not to_explain:
            for acts in way.log.acts:
                acts.forget("ts_us")
            way.log.acts.clear()
            give_back()
        #: What a thousandth of a unit of each account is worth.
        self.rate_femto = np.zeros(len(way.log.names.users), np.int64)
        self._whole: dict[bool, Figures] = {}

    def given(self) -> tuple[Ints, Floats]:
        who, units = self._given
        return units, self.log.viewers.weight_nano[who] / NANO

    def set_rates(self, rate_femto: Ints) -> None:
        self.rate_femto[self._given[0]] = rate_femto
        self._whole = {}

    def figures(self, *, with_quiet: bool = False, keep: Keep | None = None) -> Figures:
        """As `Weighing.figures`, from the shares to `keep` alone, at the same rates."""
        if keep is None and with_quiet in self._whole:
            return self._whole[with_quiet]
        tables = {
            "weighted_audience": self.log.audience(self.rate_femto, keep),
            "weighted_trust": self.log.trust(self._accounts, self._as_of_us, keep),
            "weighted_devices": self.log.devices(keep),
        }
        if not self._to_explain:
            self.log.shares.clear()
            give_back()
        for name, table in tables.items():
            self._con.register(name, table)
        found = _read(self._con, with_quiet)
        for name in tables:
            self._con.unregister(name)
        if keep is None:
            self._whole[with_quiet] = found
        return found


def _read(con: Engine, with_quiet: bool) -> Figures:
    table = con.sql(signals.sql("weighted_days"), params={"with_quiet": with_quiet}).to_arrow_table()
    d: Figures = {name: table[name].to_numpy() for name in table.column_names}
    for name in ("like_vts", "comment_vts"):
        d[name] = d[name] / viewer_trust.POINT
    d["age_h"] = (d["as_of_us"] - d["created_us"].astype(np.float64)) / 3600e6
    # Neither addresses nor the pace of likes are judged here.
    d["users_per_address"] = d["pace_cv"] = np.full(table.num_rows, np.nan)
    return d
