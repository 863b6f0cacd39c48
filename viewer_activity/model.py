"""The scoring rules, side by side. The NAME of the rule is stored on every score and every share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from bot_account_detection.labels import are_cleared, decided, report_weights
from bot_account_detection.viewer_weights import weigh
from core.engine import Engine
from core.errors import BadInput
from core.tables import LABELS
from core.timewindows import Window
from viewer_activity import classic_v1, fairshare_v1
from viewer_activity.creators import LatestScores


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
    """A rule. `weighs`: it needs the weights of the window's viewers, and shares their budgets over the whole of it;
    a rule that does not scores each day from that day and the days before.
    """

    score: Scorer
    weighs: bool


@dataclass(frozen=True, slots=True)
class WindowScores:
    """The days' scores as `Scorer` gives them, and the viewers' weights where the rule has any."""

    days: pa.Table
    weights: pa.Table | None


MODELS: dict[str, Model] = {
    classic_v1.NAME: Model(classic_v1.score, weighs=False),
    fairshare_v1.NAME: Model(fairshare_v1.score, weighs=True),
}
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
) -> WindowScores:
    """Scores `window` from the relations `users`, `videos` and `events` in `con`; `seen` reaches back to the first
    event. `labels` (columns of core.tables.LABELS) are what people decided about accounts; rules that weigh nobody
    have no use for them. Raises BadInput for a rule that is not known.
    """
    model = model_named(name)
    latest = LatestScores.of_videos(videos)
    if not model.weighs:
        return WindowScores(model.score(con, seen, latest=latest, as_of=as_of, with_quiet=with_quiet), None)
    labels = LABELS.schema.empty_table() if labels is None else labels
    weights = decided(weigh(con, window, as_of=as_of), labels, window.end)
    said = {"report_weight": report_weights(weights, labels), "cleared": are_cleared(weights, labels, window.end)}
    columns = {name: weights[name] for name in ("user_id", "weight", "cluster_id")}
    con.register("weights", pa.table(columns | {name: pa.array(values) for name, values in said.items()}))
    return WindowScores(model.score(con, window, latest=latest, as_of=as_of, with_quiet=with_quiet), weights)
