"""From a window's daily scores to what each video is worth: units, mean EIS and value units.

`VU = units x (EIS/100)^gamma x early x trust` (classic_v1) for each day, summed over the window's days. A day's
VU is rounded to a millionth and summed as a whole number, so neither the order of the rows nor the machine
changes a cent, and the published `vu` column is all that is needed to repeat the allocation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.errors import BadInput
from core.timewindows import Window, from_us
from revenue_split.policy import BASIS_POINTS, MICRO, Ints, Policy

Floats = npt.NDArray[np.float64]
#: Millionths of more than this would leave the 63 bits of a whole number.
MAX_UNITS = 10**12
#: Factor of the creator's trust score: from 0.8 at 0 to 1.2 at 100; an unknown score changes nothing.
TRUST_BASE, TRUST_SLOPE, TRUST_UNKNOWN = 0.8, 0.4, 1.0


@dataclass(frozen=True, slots=True)
class Creators:
    """What the split must know of each creator, one entry each, ordered by id."""

    ids: Ints
    likely_bot: npt.NDArray[np.bool_]
    #: -1: unknown.
    kyc_level: Ints
    trust_factor: Floats

    @classmethod
    def of_users(cls, users: pa.Table) -> Creators:
        """From the columns id, likely_bot, kyc_level and creator_trust_score of `users`."""
        order = np.argsort(users["id"].to_numpy())
        trust = users["creator_trust_score"].to_numpy().astype(np.float64)[order]
        factor = np.where(np.isnan(trust), TRUST_UNKNOWN, TRUST_BASE + TRUST_SLOPE * trust / 100.0)
        return cls(
            ids=users["id"].to_numpy()[order],
            likely_bot=users["likely_bot"].fill_null(False).to_numpy()[order],
            kyc_level=users["kyc_level"].cast(pa.int64()).fill_null(-1).to_numpy()[order],
            trust_factor=factor,
        )

    def index(self, ids: Ints) -> Ints:
        """The positions of `ids`. Raises BadInput for a creator without a row in users."""
        at = np.minimum(np.searchsorted(self.ids, ids), max(len(self.ids) - 1, 0))
        known = self.ids[at] == ids if len(self.ids) else np.zeros(len(ids), bool)
        if not known.all():
            raise BadInput(f"{ids[~known][0]} is not the id of any row in users", column="creator_id")
        return at.astype(np.int64)


@dataclass(frozen=True, slots=True)
class VideoUnits:
    """One entry a video that was scored in the window, ordered by video id."""

    video_ids: Ints
    creator_ids: Ints
    eng_units: Ints
    counted_units: Floats
    eis_avg: Floats
    vu_micro: Ints


@dataclass(frozen=True, slots=True)
class _Rows:
    video_ids: Ints
    eis: Floats
    units: Ints
    #: What is paid for: the units themselves where the model has no weights, and then they are whole numbers.
    counted: Floats
    whole: bool
    #: 0 to 1: how much of the early bonus.
    early: Floats


def video_units(scores: pa.Table, videos: pa.Table, creators: Creators, window: Window, policy: Policy) -> VideoUnits:
    """Sums the days of `window`. `scores` has columns of video_aggregates; rows of other days are left out.

    Raises BadInput if a scored day lies half in the window or stands there twice, or a video is unknown.
    """
    rows = _rows_inside(scores, window)
    ids, group = np.unique(rows.video_ids, return_inverse=True)
    owners = _owners(ids, videos)
    at = creators.index(owners)
    per_day = _day_value_micro(rows, creators.trust_factor[at][group], policy)
    value = _sums(group, per_day, len(ids))
    if policy.value_rule == "integrity":
        value[creators.likely_bot[at]] = 0
    units = _sums(group, rows.units, len(ids))
    counted: Floats = np.bincount(group, rows.counted, len(ids)).astype(np.float64)
    # A video without units has no weights to take a mean with; its days then count alike.
    weights = np.where(counted[group] > 0, rows.counted, 1.0)
    eis = np.bincount(group, weights * rows.eis, len(ids)) / np.bincount(group, weights, len(ids))
    return VideoUnits(ids, owners, units, counted, eis, value)


def mean_eis(scores: pa.Table, window: Window) -> Fraction | None:
    """The mean EIS of the window's days weighted by what is paid for, exact to a millionth; None without any unit.

    What does not count moves no one's pool either: where the model has counted units, they are the weights.
    """
    rows = _rows_inside(scores, window)
    units = rows.units if rows.whole else _micro(rows.counted)
    total = _total(units)
    eis = _micro(rows.eis)
    # Two products that can not overflow instead of one that could.
    high, low = _total((units >> 20) * eis), _total((units & 0xFFFFF) * eis)
    return Fraction((high << 20) + low, total * MICRO) if total else None


def streak_means_micro(
    scores: pa.Table, videos: pa.Table, creator_ids: Ints, window: Window, policy: Policy
) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Each creator's mean EIS, weighted by units, of the last `streak_days` days before the window's end.

    In millionths of a point, and whether there is one: without any unit in those days there is none.
    """
    recent = Window(window.end - timedelta(days=policy.streak_days), window.end)
    rows = _rows_inside(scores, recent, whole=False)
    ids, group = np.unique(rows.video_ids, return_inverse=True)
    owners = _owners(ids, videos)[group]
    mine = np.isin(owners, creator_ids)
    place = np.searchsorted(creator_ids, owners[mine])
    # Rows are ordered by video and day and bincount adds in order: the same rows give the same bits.
    units = rows.counted[mine]
    weight = np.bincount(place, units, len(creator_ids))
    total = np.bincount(place, units * rows.eis[mine], len(creator_ids))
    return _micro(total / np.where(weight > 0, weight, 1.0)), weight > 0


def _day_value_micro(rows: _Rows, trust: Floats, policy: Policy) -> Ints:
    if rows.units.sum(dtype=np.float64) > MAX_UNITS:
        raise BadInput(f"more than {MAX_UNITS:.0e} engagement units in one window", column="eng_units")
    if policy.value_rule == "units":
        return rows.units * MICRO
    quality = (rows.eis / 100.0) ** policy.gamma
    early = 1.0 + rows.early * (policy.early_boost_bp / BASIS_POINTS)
    return _micro(rows.counted * quality * early * trust)


def _rows_inside(scores: pa.Table, window: Window, *, whole: bool = True) -> _Rows:
    """The rows of the days in `window`, ordered by video and day."""
    starts, ends = (_microseconds(scores[name]) for name in ("window_start", "window_end"))
    inside = (starts >= window.start_us) & (ends <= window.end_us)
    cut = (starts < window.end_us) & (ends > window.start_us) & ~inside
    if whole and cut.any():
        day = from_us(int(starts[cut][0]))
        raise BadInput(f"the window {window} cuts through the scored day that begins {day:%Y-%m-%d %H:%M}")
    picked = np.flatnonzero(inside)
    ids = scores["video_id"].to_numpy()
    order = picked[np.lexsort((starts[picked], ids[picked]))]
    twice = (np.diff(ids[order]) == 0) & (np.diff(starts[order]) == 0)
    if twice.any():
        raise BadInput(f"video {ids[order][1:][twice][0]} is scored twice for one day", column="video_id")
    units = scores["eng_units"].to_numpy().astype(np.int64)[order]
    # A table of the database has the column for every model, and nothing in it where everything counts.
    weighed = "counted_units" in scores.column_names and scores["counted_units"].null_count < scores.num_rows
    return _Rows(
        video_ids=ids[order],
        eis=scores["eis"].to_numpy()[order],
        units=units,
        counted=scores["counted_units"].to_numpy()[order] if weighed else units.astype(np.float64),
        whole=not weighed,
        early=scores["early_boost"].to_numpy(zero_copy_only=False).astype(np.float64)[order],
    )


def _owners(video_ids: Ints, videos: pa.Table) -> Ints:
    ids = videos["id"].to_numpy()
    order = np.argsort(ids)
    at = np.minimum(np.searchsorted(ids, video_ids, sorter=order), max(len(ids) - 1, 0))
    known = ids[order[at]] == video_ids if len(ids) else np.zeros(len(video_ids), bool)
    if not known.all():
        raise BadInput(f"{video_ids[~known][0]} is not the id of any row in videos", column="video_id")
    return np.asarray(videos["creator_id"].to_numpy()[order[at]], dtype=np.int64)


def _microseconds(column: pa.ChunkedArray) -> Ints:
    return np.asarray(pc.cast(column, pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy())


def _micro(values: Floats) -> Ints:
    return np.rint(values * MICRO).astype(np.int64)


def _sums(group: npt.NDArray[np.int64], values: Ints, count: int) -> Ints:
    """Whole-number sums by group; exact, unlike a sum of floats."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, group, values)
    return sums


def _total(values: Ints) -> int:
    """The sum as a Python integer: two halves, so that no sum of many can overflow."""
    return (int((values >> 32).sum()) << 32) + int((values & 0xFFFFFFFF).sum())
