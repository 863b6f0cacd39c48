"""How well a creator's recent videos did: the factor that a creator's own past has on a classic score.

CTS (classic_v1): the mean `eis_current` of the creator's ten most recently scored videos, 50 with
none. It is taken as it stood when the scored day began, so a day's scores depend on earlier days alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RECENT_VIDEOS = 10
NO_HISTORY = 50.0
#: A score without a known time is older than any other.
LONG_AGO_US = -(2**62)
NEVER_US = 2**62


@dataclass(slots=True)
class LatestScores:
    """The latest score of each video, at index `index(ids)`: `eis` in points, `scored_us` (NEVER_US: none)."""

    video_ids: Ints
    creator_ids: Ints
    eis: Floats
    scored_us: Ints

    @classmethod
    def of_videos(cls, videos: pa.Table) -> LatestScores:
        """From the columns id, creator_id, eis_current and eis_updated_at of `videos`."""
        ids = videos["id"].to_numpy()
        order = np.argsort(ids)
        eis = videos["eis_current"].to_numpy().astype(np.float64)[order]
        times = videos["eis_updated_at"].cast(pa.int64()).fill_null(LONG_AGO_US).to_numpy()[order]
        scored = np.where(np.isnan(eis), NEVER_US, times)
        return cls(ids[order], videos["creator_id"].to_numpy()[order], eis, scored)

    def index(self, video_ids: Ints) -> Ints:
        """The positions of `video_ids`, every one of which must be known."""
        return np.searchsorted(self.video_ids, video_ids).astype(np.int64)

    def update(self, video_ids: Ints, eis: Floats, scored_us: Ints | int) -> None:
        """Takes over newer scores; `scored_us` is the end of the scored day."""
        at = self.index(video_ids)
        self.eis[at] = eis
        self.scored_us[at] = scored_us

    def creator_mean(self, creator_ids: Ints, before_us: int) -> Floats:
        """CTS of each of `creator_ids` at `before_us`; equally recent scores are ranked by the higher id."""
        known = np.flatnonzero(self.scored_us <= before_us)
        order = known[np.lexsort((-self.video_ids[known], -self.scored_us[known], self.creator_ids[known]))]
        owners = self.creator_ids[order]
        firsts = np.flatnonzero(np.diff(owners, prepend=owners[0] - 1 if len(owners) else 0))
        rank = np.arange(len(order)) - np.repeat(firsts, np.diff(firsts, append=len(order)))
        order, owners = order[rank < RECENT_VIDEOS], owners[rank < RECENT_VIDEOS]
        creators, group = np.unique(owners, return_inverse=True)
        if not len(creators):
            return np.full(len(creator_ids), NO_HISTORY)
        # bincount adds in order, so the sum does not depend on the machine.
        means = np.bincount(group, weights=self.eis[order]) / np.bincount(group)
        at = np.minimum(np.searchsorted(creators, creator_ids), len(creators) - 1)
        return np.where(creators[at] == creator_ids, means[at], NO_HISTORY)
