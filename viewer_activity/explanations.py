"""Why a video's events counted as they did: what came from whom, by reason, and what the score would be without it.

What a creator may read is here: counts of events, accounts and devices under codes of the catalogue, never an account,
a device or a threshold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from bot_account_detection.reasons import BY_CODE, CATALOGUE, CLEARED, CONFIRMED, COUNTED
from bot_account_detection.thresholds import THRESHOLDS
from bot_account_detection.viewer_weights import INDEPENDENT, REASONS, speaks
from core.arrays import places
from core.engine import Engine
from core.event_log import Names
from viewer_activity import classic_v1, fairshare_v1, signals
from viewer_activity.explained_groups import TYPES, Codes, groups
from viewer_activity.weighed_log import WHOLE
from viewer_activity.weighing import InProcess

MICRO = 10**6
#: A code's number is its place here.
CODES = tuple(one.code for one in CATALOGUE)
#: Nobody spoke against these accounts; all others are what a creator would be without.
UNDISPUTED = frozenset({COUNTED, "new_account", *CLEARED})


@dataclass(frozen=True, slots=True)
class Explained:
    """`videos`: one row a video with an event in the window, ordered by id: video_id, discounted_units, groups (JSON),
    and for the score as it is and `_without` what was discounted: eis, counted_units, early_boost, each the mean or sum
    over the window's days.

    `reasons`: the same groups summed over all videos, one row a code, ordered by it: code, and in millionths of a unit
    unit_micro (what there was), weighted_micro (what the accounts' weights left of it), counted_micro (what their
    budgets let through of that).
    """

    videos: pa.Table
    reasons: pa.Table


def explain(con: Engine, weights: pa.Table, events: InProcess) -> Explained:
    """What the window of `events`, scored under fairshare_v1, counted, and why.

    `weights` as they were used. The counterfactual holds the platform's means and the other viewers' budgets fixed.
    """
    codes = _numbered(viewer_codes(weights), events.log.names)
    found = groups(events.log, codes, len(CODES), events.rate_femto)
    own = con.sql(signals.sql("own_events")).to_arrow_table()
    ids = events.log.names.videos
    d = events.figures()
    judged = fairshare_v1.judge(d)
    rest = events.figures(keep=codes.undisputed)
    without = fairshare_v1.judge(rest, usual=judged.usual)
    by_video = _by_video(found, own, ids)
    videos = np.unique(np.concatenate([d["video_id"], np.array(sorted(by_video), np.int64)]))
    now, then = _over_days(videos, d, judged), _over_days(videos, rest, without)
    reports = _reports(videos, d)
    texts, discounted = [], []
    for place, video in enumerate(videos.tolist()):
        mine = by_video.get(video, [])
        discounted.append(sum(g["units"] - g["weighted_units"] for g in mine if g["code"] not in UNDISPUTED))
        texts.append(json.dumps([*map(_shown, mine), *reports.get(place, [])], separators=(",", ":")))
    table = pa.table(
        {
            "video_id": videos,
            "discounted_units": np.maximum(0.0, discounted),
            "groups": pa.array(texts, pa.string()),
            **{name: pa.array(values, from_pandas=True) for name, values in now.items()},
            **{f"{name}_without": pa.array(values, from_pandas=True) for name, values in then.items()},
        }
    )
    return Explained(table, _totals(found, own))


def _totals(found: pa.Table, own: pa.Table) -> pa.Table:
    """Whole numbers before they are summed, so that no order of the rows changes one."""
    units, own_units = (_with_units(table)["units"].to_numpy() for table in (found, own))
    code = np.concatenate([found["code"].to_numpy().astype(np.int64), np.full(own.num_rows, CODES.index("own_event"))])
    nothing = np.zeros(own.num_rows)
    columns = {
        "unit_micro": np.concatenate([units, own_units]) * MICRO,
        "weighted_micro": _micro(np.concatenate([found["weighted_units"].to_numpy(), nothing])),
        "counted_micro": _micro(np.concatenate([found["paid_units"].to_numpy(), nothing])),
    }
    there, at = np.unique(code, return_inverse=True)
    sums = {name: np.zeros(len(there), np.int64) for name in columns}
    for name, values in columns.items():
        np.add.at(sums[name], at, values)
    return pa.table({"code": pa.array([CODES[one] for one in there], pa.string()), **sums}).sort_by("code")


def _micro(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.rint(values * MICRO).astype(np.int64)


def viewer_codes(weights: pa.Table) -> pa.Table:
    """The one code under which each account's events are listed, for the accounts that do not simply count: user_id,
    code, and whether somebody spoke against it (`discounted`).

    A person's verdict comes first, then the first family that speaks, what can be pointed at before what is
    inferred, then the tier.
    """
    ids, weight = weights["user_id"].to_numpy(), weights["weight"].to_numpy()
    families = [name for name in INDEPENDENT if name in weights.column_names]
    spoken = np.column_stack([speaks(name, weights[name].to_numpy()) for name in families])
    names = np.array([REASONS[name] for name in families], dtype=object)
    code = np.where(weight < THRESHOLDS.least_with_one_family, "new_account", COUNTED).astype(object)
    code = np.where(spoken.any(axis=1), names[np.argmax(spoken, axis=1)], code)
    first = weights["reasons"].combine_chunks()
    verdicts = pa.compute.list_element(_padded(first), 0).to_numpy(zero_copy_only=False)
    by_person = np.isin(verdicts.astype(str), [*CONFIRMED, *CLEARED])
    code = np.where(by_person, verdicts, code)
    listed = code != COUNTED
    discounted = ~np.isin(code[listed].astype(str), list(UNDISPUTED))
    return pa.table({"user_id": ids[listed], "code": pa.array(code[listed], pa.string()), "discounted": discounted})


def _numbered(codes: pa.Table, names: Names) -> Codes:
    """The codes of the log's accounts as numbers."""
    at = places(names.users, codes["user_id"].to_numpy())
    code = np.full(len(names.users), CODES.index(COUNTED), np.int32)
    number = {word: place for place, word in enumerate(CODES)}
    code[at] = [number[word] for word in codes["code"].to_pylist()]
    discounted = np.zeros(len(names.users), bool)
    discounted[at] = codes["discounted"].to_numpy(zero_copy_only=False)
    return Codes(
        code,
        discounted,
        counted=number[COUNTED],
        reported_it=number["reported_it"],
        counts_less_here=number["counts_less_here"],
        fired_thousandths=round(WHOLE * THRESHOLDS.fired_below),
    )


def _padded(lists: pa.ListArray) -> pa.ListArray:
    """The lists with at least one item each, so that each has a first one."""
    empty = pa.array([[""]], lists.type)
    sizes = pa.compute.list_value_length(lists).to_numpy(zero_copy_only=False)
    place = np.where(sizes > 0, np.arange(len(lists)), len(lists))
    return pa.concat_arrays([lists, empty]).take(pa.array(place))


def _by_video(found: pa.Table, own: pa.Table, ids: npt.NDArray[np.int64]) -> dict[int, list[dict[str, Any]]]:
    """By video: the groups, the largest discount first and what counts at the end."""
    groups: dict[int, list[dict[str, Any]]] = {}
    named = ({**row, "code": CODES[row["code"]]} for row in _with_units(found).to_pylist())
    rows = [*named, *(_own(row) for row in _with_units(own).to_pylist())]
    for group in rows:
        groups.setdefault(int(ids[group.pop("position")]), []).append(group)
    for one in groups.values():
        one.sort(key=lambda g: (g["code"] == COUNTED, g["weighted_units"] - g["units"], g["code"]))
    return groups


def _with_units(groups: pa.Table) -> pa.Table:
    counts = {name: groups[name].to_numpy().astype(np.int64) for name in TYPES}
    return groups.append_column("units", pa.array(classic_v1.units(counts), pa.int64()))


def _own(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"code": "own_event", "accounts": 1, "devices": 0, "viewers": 0.0, "weighted_units": 0.0}


def _shown(group: dict[str, Any]) -> dict[str, Any]:
    """A group as it is kept: whole numbers, and to a tenth its viewers and what of its units counted."""
    assert group["code"] in BY_CODE
    counts = {name: group[name] for name in (*TYPES, "accounts", "devices", "units") if group[name]}
    rounded = {"viewers": round(group["viewers"], 1), "counted": round(group["weighted_units"], 1)}
    return {"code": group["code"], **counts, **rounded}


def _over_days(
    videos: npt.NDArray[np.int64], d: dict[str, Any], judged: fairshare_v1.Judged
) -> dict[str, npt.NDArray[Any]]:
    """Sums and means over the days of each of `videos`, the means weighed by counted units as the pay is."""
    at = np.searchsorted(videos, d["video_id"])
    count = len(videos)
    units = np.bincount(at, d["budget"], count)
    weight = np.where(units[at] > 0, d["budget"], 1.0)
    total = np.bincount(at, weight, count)
    early = fairshare_v1.early_boost(d["early_viewers"])
    with np.errstate(invalid="ignore"):
        return {
            "eis": np.bincount(at, weight * judged.eis, count) / total,
            "counted_units": units,
            "early_boost": np.bincount(at, weight * early, count) / total,
        }


def _reports(videos: npt.NDArray[np.int64], d: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    """By place in `videos`: the reports and the votes that they are."""
    at = np.searchsorted(videos, d["video_id"])
    count = np.bincount(at, d["raw_reports"], len(videos))
    votes = np.bincount(at, d["report_votes"], len(videos))
    places: list[int] = np.flatnonzero(count).tolist()
    return {
        place: [{"code": "reports", "reports": int(count[place]), "votes": round(float(votes[place]), 1)}]
        for place in places
    }
