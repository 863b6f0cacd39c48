"""The first published Engagement Integrity Score, kept for comparison and audit.

The SQL of `signals/` counts, once for all videos and days; the formulas here turn the counts into four scores
between 0 and 100 and their weighted mean, on whole columns. All arrays have one entry a video and day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from bot_account_detection.viewer_trust import POINT
from core.engine import Engine
from core.timewindows import Window
from viewer_activity import signals
from viewer_activity.creators import Floats, Ints, LatestScores

NAME = "classic_v1"


@dataclass(frozen=True, slots=True)
class Rule:
    """Every number of the score. Scores in points of 0 to 100, gaps in seconds unless the name says more."""

    like_target: float = 0.10
    comment_target: float = 0.02
    reference_duration_s: float = 15.0
    duration_scale: tuple[float, float] = (0.7, 1.3)
    recency_scale: tuple[float, float] = (0.8, 1.2)
    recency_hours: float = 24.0
    full_audience: int = 100
    no_comment: float = 50.0
    no_like: float = 50.0
    no_report: float = 90.0
    like_penalty_max: float = 25.0
    users_per_device_fair: float = 1.2
    users_per_device_slope: float = 12.0
    users_per_address_fair: float = 1.5
    users_per_address_slope: float = 10.0
    pace_cv_low: float = 0.5
    pace_cv_low_slope: float = 40.0
    pace_cv_high: float = 1.5
    pace_cv_high_slope: float = 20.0
    report_slope: float = 0.5
    weights: tuple[float, float, float, float] = (0.40, 0.30, 0.15, 0.15)
    creator_factor: tuple[float, float] = (0.95, 0.10)
    unit_view: int = 1
    unit_like: int = 3
    unit_comment: int = 5
    unit_share: int = 8
    early_views: int = 50
    early_us: int = 2 * 3_600 * 10**6
    early_devices_per_view: float = 0.5
    early_addresses_per_view: float = 0.4


RULE = Rule()
Parts = dict[str, Floats]


def clamp_score(values: Floats) -> Floats:
    """Scores are never below 0 nor above 100."""
    return np.clip(values, 0.0, 100.0)


def authentic_engagement(d: Mapping[str, Floats], rule: Rule = RULE) -> tuple[Floats, Parts]:
    """Do viewers like and comment as often as they do on good videos of this length and age, and how many
    different viewers are there? A short video is expected to get more likes a view, an older one too.
    """
    active = np.maximum(1.0, d["viewers"])
    lpv = d["likes"] / np.maximum(1.0, d["views"])
    cpv = d["comments"] / np.maximum(1.0, d["views"])
    with np.errstate(invalid="ignore"):
        duration = np.clip(rule.reference_duration_s / d["duration_s"], *rule.duration_scale)
        low, high = rule.recency_scale
        age = np.minimum(1.0, d["age_h"] / rule.recency_hours)
        recency = np.clip(low + (high - low) * age, low, high)
    # An unknown length or upload time changes no target.
    duration = np.where(np.isnan(d["duration_s"]), 1.0, duration)
    recency = np.where(np.isnan(d["age_h"]), 1.0, recency)
    like_target = rule.like_target * duration * recency
    comment_target = rule.comment_target * duration * recency
    s_like = np.minimum(100.0, 100.0 * lpv / like_target)
    s_comm = np.minimum(100.0, 100.0 * cpv / comment_target)
    s_base = 0.6 * s_like + 0.4 * s_comm
    s_audience = 100.0 * np.minimum(1.0, np.log(1.0 + active) / math.log(1.0 + rule.full_audience))
    parts = {
        "lpv": lpv,
        "cpv": cpv,
        "like_target": like_target,
        "comment_target": comment_target,
        "duration_scale": duration,
        "recency_scale": recency,
        "s_like": s_like,
        "s_comm": s_comm,
        "s_base": s_base,
        "audience_component": s_audience,
    }
    return clamp_score(0.8 * s_base + 0.2 * s_audience), parts


def comment_quality(d: Mapping[str, Floats], rule: Rule = RULE) -> tuple[Floats, Parts]:
    """Do many different viewers comment, and are they trusted accounts? Without a comment there is nothing to
    judge, which is 50.
    """
    rate = np.minimum(1.0, d["commenters"] / np.maximum(1.0, d["viewers"]))
    trust = d["comment_vts"]
    score = 100.0 * (0.6 * rate + 0.4 * trust / 100.0)
    parts = {"unique_commenters_rate": rate, "avg_commenter_vts": trust}
    return clamp_score(np.where(d["comments"] > 0, score, rule.no_comment)), parts


def like_integrity(d: Mapping[str, Floats], rule: Rule = RULE) -> tuple[Floats, Parts]:
    """Are the likes from trusted accounts, on devices and addresses of their own, at a human pace? Likers who
    share a device or an address, and likes as regular as a clock or in hard bursts, take up to 25 points each.
    """
    top = rule.like_penalty_max
    device = rule.users_per_device_slope * (d["users_per_device"] - rule.users_per_device_fair)
    address = rule.users_per_address_slope * (d["users_per_address"] - rule.users_per_address_fair)
    pace = np.maximum(
        rule.pace_cv_low_slope * (rule.pace_cv_low - d["pace_cv"]),
        rule.pace_cv_high_slope * (d["pace_cv"] - rule.pace_cv_high),
    )
    # Unknown devices, addresses and paces are no evidence.
    device, address, pace = (np.clip(np.nan_to_num(p, nan=0.0), 0.0, top) for p in (device, address, pace))
    total = device + address + pace
    parts = {
        "avg_liker_vts": d["like_vts"],
        "nat_cv": d["pace_cv"],
        "users_per_device": d["users_per_device"],
        "users_per_ip": d["users_per_address"],
        "penalty_device": device,
        "penalty_ip": address,
        "penalty_naturalness": pace,
        "penalty_total": total,
    }
    return clamp_score(np.where(d["likes"] > 0, d["like_vts"] - total, rule.no_like)), parts


def report_credibility(d: Mapping[str, Floats], rule: Rule = RULE) -> tuple[Floats, Parts]:
    """How many trusted viewers reported the video? Without a report it is 90, and each trusted report takes
    away less than the one before.
    """
    reported = d["reports"] > 0
    trust = np.where(reported, d["report_vts"], 0.0)
    penalty = rule.report_slope * trust * np.log(1.0 + d["reports"])
    parts = {
        "report_count": d["reports"],
        "avg_reporter_vts": d["report_vts"],
        "penalty": penalty,
        "penalty_scalar": np.full(len(penalty), rule.report_slope),
    }
    return clamp_score(np.where(reported, 100.0 - penalty, rule.no_report)), parts


def is_early_success(d: Mapping[str, Floats], rule: Rule = RULE) -> np.ndarray:
    """At least 50 views in the first two hours, from many different devices and addresses."""
    views = d["early_views"]
    return np.asarray(
        (views >= rule.early_views)
        & (d["early_devices"] >= rule.early_devices_per_view * views)
        & (d["early_addresses"] >= rule.early_addresses_per_view * views)
    )


def score(
    con: Engine,
    window: Window,
    *,
    latest: LatestScores,
    as_of: datetime | None = None,
    with_quiet: bool = False,
) -> pa.Table:
    """Scores each day of `window`: one row a video and day with the columns of `video_aggregates`.

    `con` holds `users`, `videos` and `events`; `latest` holds each video's score before the window and is
    brought up to its end. `with_quiet` and `as_of` as in `signals.video_days`. Ordered by day and video.
    """
    d = signals.video_days(con, window, early_us=RULE.early_us, as_of=as_of, with_quiet=with_quiet)
    figures = {name: column.astype(np.float64) for name, column in d.items()}
    for name in ("like_vts", "comment_vts", "report_vts"):
        figures[name] = figures[name] / POINT
    figures["age_h"] = (figures["as_of_us"] - figures["created_us"]) / 3600e6
    ae, ae_parts = authentic_engagement(figures)
    cq, cq_parts = comment_quality(figures)
    li, li_parts = like_integrity(figures)
    rc, rc_parts = report_credibility(figures)
    w_ae, w_cq, w_li, w_rc = RULE.weights
    before = w_ae * ae + w_cq * cq + w_li * li + w_rc * rc
    eis, cts, factor = _with_creators(window, d, before, latest)
    active = np.maximum(1, d["viewers"])
    parts = {
        "position": np.arange(len(eis)),
        **ae_parts,
        **cq_parts,
        **li_parts,
        **rc_parts,
        "active_viewers": active,
        "report_count": d["reports"],
        "eis_before_creator": before,
        "creator_mean_eis": cts,
        "creator_factor": factor,
        "early_views": d["early_views"],
        "early_devices": d["early_devices"],
        "early_addresses": d["early_addresses"],
    }
    engaged = np.sum([d[name] for name in ("views", "likes", "comments", "shares")], axis=0) > 0
    time = pa.timestamp("us", "UTC")
    return pa.table(
        {
            "video_id": d["video_id"],
            "window_start": pa.array(d["start_us"], pa.int64()).cast(time),
            "window_end": pa.array(d["end_us"], pa.int64()).cast(time),
            "model": pa.array([NAME] * len(eis), pa.string()),
            "eis": eis,
            "authentic_engagement": ae,
            "comment_quality": cq,
            "like_integrity": li,
            "report_credibility": rc,
            # Every event counts in full in this model; without engagement there is no share.
            "counted_share": pa.array(np.ones(len(eis)), mask=~engaged),
            **{name: d[name] for name in COUNTS},
            "active_viewers": active,
            "eng_units": units(d),
            "early_boost": is_early_success(figures),
            "features": as_json(con, "features", parts),
        }
    )


COUNTS = ("views", "likes", "comments", "shares", "follows", "reports", "pauses")


def units(d: Mapping[str, Ints], rule: Rule = RULE) -> Ints:
    """Engagement units: a view is 1, a like 3, a comment 5, a share 8."""
    return np.asarray(
        rule.unit_view * d["views"]
        + rule.unit_like * d["likes"]
        + rule.unit_comment * d["comments"]
        + rule.unit_share * d["shares"],
        dtype=np.int64,
    )


def _with_creators(
    window: Window, d: Mapping[str, np.ndarray], before: Floats, latest: LatestScores
) -> tuple[Floats, Floats, Floats]:
    """EIS, CTS and its factor; the days one after the other, since a day's scores are the next day's past."""
    eis, cts = np.empty_like(before), np.empty_like(before)
    base, slope = RULE.creator_factor
    edges = np.searchsorted(d["start_us"], [day.start_us for day in window.days()] + [window.end_us])
    has_events = np.sum([d[name] for name in COUNTS], axis=0) > 0
    for day, low, high in zip(window.days(), edges, edges[1:], strict=False):
        rows = slice(int(low), int(high))
        cts[rows] = latest.creator_mean(d["creator_id"][rows], day.start_us)
        eis[rows] = clamp_score(before[rows] * (base + slope * cts[rows] / 100.0))
        scored = np.flatnonzero(has_events[rows]) + rows.start
        latest.update(d["video_id"][scored], eis[scored], day.end_us)
    return eis, cts, base + slope * cts / 100.0


def as_json(con: Engine, definition: str, parts: Mapping[str, np.ndarray]) -> pa.ChunkedArray:
    """The parts as JSON text; not-a-number stands for unknown, which is null in JSON."""
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in parts.items()})
    # Several batches, so that every core writes some of the text.
    con.register("parts", pa.Table.from_batches(table.to_batches(max_chunksize=1 << 14), table.schema))
    features = con.sql(signals.sql(definition)).to_arrow_table()["features"]
    con.unregister("parts")
    return features
