"""What people decided about accounts, and how it outranks the machine.

A confirmed account does not count; a cleared one counts in full, whatever the machine says. Both hold in windows that
end before the verdict expires. Nothing here writes a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from core.timewindows import to_us

Floats = npt.NDArray[np.float64]


class Verdict(StrEnum):
    """What a reviewer says of an account."""

    CONFIRMED = "confirmed"
    """It is what the evidence says: what it does counts for nothing."""

    CLEARED = "cleared"
    """It is a person of its own: it counts in full."""


@dataclass(frozen=True, slots=True)
class ReporterRule:
    """How fast a reporter's word loses weight."""

    #: As many verdicts in the reporter's favour as everybody is credited with at first.
    credit: float = 2.0


RULE = ReporterRule()


def reliability(upheld: Floats, dismissed: Floats, rule: ReporterRule = RULE) -> Floats:
    """How far a reporter is believed: in full at first, less with each verdict that dismissed what they had reported,
    and more again with each that upheld it. (credit + upheld) / (credit + upheld + dismissed).
    """
    believed = rule.credit + upheld
    return np.asarray(believed / (believed + dismissed))


def decided(weights: pa.Table, labels: pa.Table, until: datetime) -> pa.Table:
    """`weights` (user_id ordered, weight, cluster_id, reasons …) with the verdicts of `labels` (user_id, verdict,
    reason_code, expires_at) that have not expired at `until`: weight, cluster and reasons are the person's.
    """
    at, rows = _places(weights, labels, _standing(labels, until))
    if not len(rows):
        return weights
    cleared = labels["verdict"].to_numpy(zero_copy_only=False)[rows] == Verdict.CLEARED.value
    weight = weights["weight"].to_numpy().copy()
    weight[at] = np.where(cleared, 1.0, 0.0)
    # Who has been cleared speaks for themselves, also when they report.
    alone = np.zeros(weights.num_rows, bool)
    alone[at[cleared]] = True
    cluster = pc.if_else(pa.array(alone), pa.scalar(None, pa.int64()), weights["cluster_id"])
    said = weights["reasons"].combine_chunks()
    codes = labels["reason_code"].to_pylist()
    new = [
        [code for code in (codes[row],) if code] + ([] if is_cleared else said[place].as_py())
        for place, row, is_cleared in zip(at.tolist(), rows.tolist(), cleared.tolist(), strict=True)
    ]
    place = np.arange(weights.num_rows)
    place[at] = weights.num_rows + np.arange(len(at))
    reasons = pa.concat_arrays([said, pa.array(new, said.type)]).take(pa.array(place))
    for name, values in (
        ("weight", pa.array(weight)),
        ("cluster_id", cluster),
        ("reasons", reasons),
    ):
        weights = weights.set_column(weights.column_names.index(name), name, values)
    return weights


def are_cleared(weights: pa.Table, labels: pa.Table, until: datetime) -> npt.NDArray[np.bool_]:
    """Which of the accounts a person has cleared: no other discount of the machine holds for them either."""
    is_cleared = pc.fill_null(pc.equal(labels["verdict"], Verdict.CLEARED.value), False)
    at, _ = _places(weights, labels, _standing(labels, until) & is_cleared.to_numpy(zero_copy_only=False))
    found = np.zeros(weights.num_rows, bool)
    found[at] = True
    return found


def _standing(labels: pa.Table, until: datetime) -> npt.NDArray[np.bool_]:
    expires = labels["expires_at"].cast(pa.int64()).fill_null(2**62).to_numpy()
    return np.asarray(pc.is_valid(labels["verdict"]).to_numpy(zero_copy_only=False) & (expires > to_us(until)))


def report_weights(weights: pa.Table, labels: pa.Table) -> Floats:
    """The weight of each account's reports: its own weight times how far its reports are believed."""
    at, rows = _places(weights, labels, np.ones(labels.num_rows, bool))
    upheld, dismissed = (
        labels[name].cast(pa.float64()).fill_null(0.0).to_numpy()[rows]
        for name in ("reports_upheld", "reports_dismissed")
    )
    factor = np.ones(weights.num_rows)
    factor[at] = reliability(upheld, dismissed)
    return np.asarray(weights["weight"].to_numpy() * factor)


def _places(weights: pa.Table, labels: pa.Table, wanted: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.intp], ...]:
    """The positions in `weights` of the accounts of the wanted labels, and those labels' rows; accounts that are not
    there are left out.
    """
    rows = np.flatnonzero(wanted)
    ids, users = weights["user_id"].to_numpy(), labels["user_id"].to_numpy()[rows]
    at = np.minimum(np.searchsorted(ids, users), max(len(ids) - 1, 0))
    known = ids[at] == users if len(ids) else np.zeros(len(users), bool)
    return at[known], rows[known]
