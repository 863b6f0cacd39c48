"""The scoring rules, side by side. The NAME of the rule is stored on every score and every share."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import duckdb
import pyarrow as pa

from core.errors import BadInput
from core.timewindows import Window
from viewer_activity import classic_v1
from viewer_activity.creators import LatestScores


class Scorer(Protocol):
    """Scores each day of a window; see `classic_v1.score` for shapes and units."""

    def __call__(
        self,
        con: duckdb.DuckDBPyConnection,
        window: Window,
        *,
        latest: LatestScores,
        as_of: datetime | None = None,
        with_quiet: bool = False,
    ) -> pa.Table: ...


MODELS: dict[str, Scorer] = {classic_v1.NAME: classic_v1.score}


def scorer(name: str) -> Scorer:
    """The scoring rule called `name`. Raises BadInput with the names that there are."""
    if name not in MODELS:
        raise BadInput(f"there is no scoring model {name!r}; there is {', '.join(sorted(MODELS))}")
    return MODELS[name]
