"""The scoring rules, side by side. The NAME of the rule is stored on every score and every share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from bot_account_detection.by_sorting import BySorting
from bot_account_detection.labels import are_cleared, decided, report_weights
from bot_account_detection.viewer_weights import weigh
from bot_account_detection.ways import Ways, ways
from core.engine import Engine
from core.errors import BadInput
from core.tables import LABELS
from core.timewindows import Window
from viewer_activity import classic_v1, fairshare_v1
from viewer_activity.creators import LatestScores
from viewer_activity.weighing import InProcess, Weighing


class Scorer(Protocol):
    """Scores each day of a window; see `classic_v1.score` for shapes and units."""

    def __call__(
        self,
        con: Engine,
        window: Window,
        *,
        latest: LatestScores,
        as_of: datetime | None = None,
        with_quiet: bool = False,
    ) -> pa.Table: ...


@dataclass(frozen=True, slots=True)
class Model:
    """A rule. One that scores `by_day` does so from that day and the days before; any other needs the weights of the
    window's viewers, and shares their budgets over the whole of it.
    """

    by_day: Scorer | None

    @property
    def weighs(self) -> bool:
        """Whether the window's viewers are weighed."""
        return self.by_day is None


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the scores of a window whose viewers were weighed rest on: the weights as they were used, and the events
    with them. `way` holds the log.
    """

    weights: pa.Table
    way: Ways
    events: Weighing


@dataclass(frozen=True, slots=True)
class WindowScores:
    """The days' scores as `Scorer` gives them, and what they rest on where the rule weighs viewers."""

    days: pa.Table
    weighed: Weighed | None

    @property
    def weights(self) -> pa.Table | None:
        """The viewers' weights where the rule has any."""
        return self.weighed.weights if self.weighed else None

    def in_process(self) -> tuple[pa.Table, InProcess, BySorting]:
        """The weights, and the log with and without them, of a rule that weighs viewers: for explanations, which look
        at a log that is at hand.
        """
        assert self.weighed is not None
        events, way = self.weighed.events, self.weighed.way
        assert isinstance(events, InProcess)
        assert isinstance(way, BySorting)
        return self.weighed.weights, events, way


MODELS: dict[str, Model] = {classic_v1.NAME: Model(classic_v1.score), fairshare_v1.NAME: Model(None)}
#: The rule that is meant where none is named, and whose scores videos show.
DEFAULT = fairshare_v1.NAME


def model_named(name: str) -> Model:
    """The rule called `name`. Raises BadInput with the names that there are."""
    if name not in MODELS:
        raise BadInput(f"there is no scoring model {name!r}; there is {', '.join(sorted(MODELS))}")
    return MODELS[name]


def score_window(
    con: Engine,
    name: str,
    window: Window,
    *,
    seen: Window,
    videos: pa.Table,
    as_of: datetime | None = None,
    with_quiet: bool = False,
    labels: pa.Table | None = None,
    to_explain: bool = True,
) -> WindowScores:
    """Scores `window` from the relations `users`, `videos` and `events` in `con`; `seen` reaches back to the first
    event. What is not `to_explain` lets go of the log on the way. `labels` (columns of core.tables.LABELS) are what
    people decided about accounts; rules that weigh nobody have no use for them. Raises BadInput for a rule that is not
    known.
    """
    by_day = model_named(name).by_day
    latest = LatestScores.of_videos(videos)
    if by_day is not None:
        return WindowScores(by_day(con, seen, latest=latest, as_of=as_of, with_quiet=with_quiet), None)
    labels = LABELS.schema.empty_table() if labels is None else labels
    way = ways(con, to_explain=to_explain)
    weights = decided(weigh(con, window, as_of=as_of, way=way), labels, window.end)
    said = {"report_weight": report_weights(weights, labels), "cleared": are_cleared(weights, labels, window.end)}
    columns = {name: weights[name] for name in ("user_id", "weight", "cluster_id")}
    con.register("weights", pa.table(columns | {name: pa.array(values) for name, values in said.items()}))
    events = fairshare_v1.weigh_events(con, window, way, as_of=as_of, to_explain=to_explain)
    days = fairshare_v1.score(con, events, latest=latest, with_quiet=with_quiet)
    return WindowScores(days, Weighed(weights, way, events))
