"""Accounts that act as one are paid as one: EIS and counted units from weighed viewers.

The four components and their weights are those of the first published score; every count, number of people and mean
is taken with the viewers' weights, so an account of weight 0 can neither raise nor lower a score. What a viewer
gives is limited by a budget (`budgets`). All arrays have one entry a video and day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import pyarrow as pa

from bot_account_detection.ways import Ways
from core.engine import Engine
from core.timewindows import Window
from viewer_activity import budgets, classic_v1
from viewer_activity.classic_v1 import Parts
from viewer_activity.creators import Floats, LatestScores
from viewer_activity.weighed_log import FEMTO
from viewer_activity.weighing import Weighing, weighing

NAME = "fairshare_v1"


#: Spikes and addresses are no evidence by themselves; what they can show is in the viewers' weights. One counted
#: viewer is an audience: a score says how good the engagement is, and the units say how much of it there is.
COMPONENTS = replace(classic_v1.RULE, users_per_address_slope=0.0, full_audience=1)


@dataclass(frozen=True, slots=True)
class Rule:
    """What differs from the first published score."""

    components: classic_v1.Rule = COMPONENTS
    evenness: float = budgets.EVENNESS
    #: The counted viewers at which a score is half the video's own and half the platform's mean.
    shrinkage_viewers: float = 40.0
    #: The most that reports move EIS, in points, until a person has decided. They open a review; a crowd that
    #: reports must not be worth more than a hundredth of a rival's pay.
    report_points: float = 0.2
    report_votes_half: float = 4.0
    #: What is not known about a small audience is read in its favour, by so many points at most.
    benefit_of_doubt: float = 1.0
    #: The counted people at which the quality of comments and likes is half judged and half unknown.
    settled_people: float = 3.0
    early_viewers: float = 25.0


RULE = Rule()


def report_credibility(d: Mapping[str, Floats], rule: Rule = RULE) -> tuple[Floats, Parts]:
    """How many independent viewers reported the video? All reports of accounts that act as one are one vote, each
    vote takes less than the one before, and until a person has looked they move the score very little.
    """
    points = rule.report_points * d["report_votes"] / (d["report_votes"] + rule.report_votes_half)
    weight = rule.components.weights[3]
    parts = {"report_count": d["raw_reports"], "report_votes": d["report_votes"], "report_points": points}
    return classic_v1.clamp_score(rule.components.no_report - points / weight), parts


@dataclass(frozen=True, slots=True)
class Usual:
    """The platform's means of a window, with which the figures of few people are taken together."""

    likes: float
    comments: float
    comment_quality: float
    like_integrity: float
    level: float


def mean(score: Floats, people: Floats, unknown: float) -> float:
    """The mean over people, `unknown` without any."""
    total = float(people.sum())
    return float((people * score).sum()) / total if total > 0 else unknown


def settled(score: Floats, people: Floats, unknown: float, rule: Rule = RULE, *, usual: float | None = None) -> Floats:
    """What few people did is taken together with what the platform's people do, without a step: one robot's comment
    on a day without others must not set the quality of the comments, and nobody's silence is a fault.
    """
    score = np.nan_to_num(score, nan=unknown)
    usual = mean(score, people, unknown) if usual is None else usual
    part = people / (people + rule.settled_people)
    return part * score + (1.0 - part) * usual


def rates(d: Mapping[str, Floats], rule: Rule = RULE, *, usual: Usual | None = None) -> dict[str, Floats]:
    """Figures for the engagement component in which as many ordinary viewers as `shrinkage_viewers` are added to each
    audience: a rate of five viewers is cut off at the target far more often by chance than a rate of five hundred.
    """
    more = rule.shrinkage_viewers
    per_viewer = {name: _per_viewer(d, name) if usual is None else getattr(usual, name) for name in _RATES}
    added = {name: more * rate for name, rate in per_viewer.items()}
    return {**d, "views": d["views"] + more, **{name: d[name] + extra for name, extra in added.items()}}


_RATES = ("likes", "comments")


def _per_viewer(d: Mapping[str, Floats], name: str) -> float:
    total = float(d["viewers"].sum())
    return float(d[name].sum()) / total if total > 0 else 0.0


def shrunk(scores: Floats, viewers: Floats, rule: Rule = RULE, *, usual: float | None = None) -> tuple[Floats, Parts]:
    """A score of few viewers says little, so it is taken together with the platform's mean: half and half at forty
    counted viewers. A small creator is neither punished nor rewarded for being small.
    """
    usual = mean(scores, viewers, classic_v1.RULE.no_like) if usual is None else usual
    own = viewers / (viewers + rule.shrinkage_viewers)
    parts = {"eis_before": scores, "own_part": own, "platform_mean": np.full(len(scores), usual)}
    return own * scores + (1.0 - own) * (usual + rule.benefit_of_doubt), parts


def early_boost(early_viewers: Floats, rule: Rule = RULE) -> Floats:
    """How much of the early bonus a video gets: all of it from twenty-five counted viewers in its first two hours on,
    and in proportion below that.
    """
    return np.clip(early_viewers / rule.early_viewers, 0.0, 1.0)


def score(
    con: Engine,
    weighed: Weighing,
    *,
    latest: LatestScores,
    with_quiet: bool = False,
) -> pa.Table:
    """Scores each day of the window that `weighed` has, budgets over the whole of it: the columns of
    `classic_v1.score` and `counted_units`.

    A creator's past is no part of this score, so `latest` is brought up to date and not read. Ordered by day and video.
    """
    size, weight = weighed.given()
    rates = budgets.rates(size, weight, budgets.scale(size, weight, RULE.evenness))
    weighed.set_rates(np.rint(rates * FEMTO).astype(np.int64))
    d = weighed.figures(with_quiet=with_quiet)
    judged = judge(d)
    eis = judged.eis
    _bring_up(latest, d, eis)
    parts = {
        "position": np.arange(len(eis)),
        **judged.parts,
        "raw_viewers": d["raw_viewers"],
        "counted_viewers": d["viewers"],
        "early_viewers": d["early_viewers"],
    }
    counts = {name: d[f"raw_{name}"] for name in classic_v1.COUNTS}
    units = classic_v1.units(counts)
    time = pa.timestamp("us", "UTC")
    features = classic_v1.as_json(con, "fairshare_features", parts)
    return pa.table(
        {
            "video_id": d["video_id"],
            "window_start": pa.array(d["start_us"], pa.int64()).cast(time),
            "window_end": pa.array(d["end_us"], pa.int64()).cast(time),
            "model": pa.array([NAME] * len(eis), pa.string()),
            "eis": eis,
            "authentic_engagement": judged.engagement,
            "comment_quality": judged.comments,
            "like_integrity": judged.likes,
            "report_credibility": judged.reports,
            "counted_share": pa.array(np.minimum(1.0, d["weighted_units"] / np.maximum(units, 1)), mask=units == 0),
            **counts,
            "active_viewers": np.maximum(1, d["raw_viewers"]),
            "eng_units": units,
            "counted_units": d["budget"],
            "early_boost": early_boost(d["early_viewers"]),
            "features": features,
        }
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The score of each video and day with its four components, what each looked at, and the means they were taken
    together with.
    """

    eis: Floats
    engagement: Floats
    comments: Floats
    likes: Floats
    reports: Floats
    parts: Parts
    usual: Usual


def judge(d: Mapping[str, Floats], rule: Rule = RULE, *, usual: Usual | None = None) -> Judged:
    """The scores of `d` as `Weighing.figures` gives it; `usual` are the platform's means, by default those of `d`."""
    c = rule.components
    ae, ae_parts = classic_v1.authentic_engagement(rates(d, rule, usual=usual), c)
    cq, cq_parts = classic_v1.comment_quality(d, c)
    li, li_parts = classic_v1.like_integrity(d, c)
    if usual is None:
        cq_mean = mean(np.nan_to_num(cq, nan=c.no_comment), d["commenters"], c.no_comment)
        li_mean = mean(np.nan_to_num(li, nan=c.no_like), d["likes"], c.no_like)
    else:
        cq_mean, li_mean = usual.comment_quality, usual.like_integrity
    cq = settled(cq, d["commenters"], c.no_comment, rule, usual=cq_mean)
    li = settled(li, d["likes"], c.no_like, rule, usual=li_mean)
    rc, rc_parts = report_credibility(d, rule)
    w_ae, w_cq, w_li, w_rc = c.weights
    # Reports are left out of what is shrunk: a platform's mean must not move with one video's reports.
    before = w_ae * ae + w_cq * cq + w_li * li + w_rc * c.no_report
    level, shrink_parts = shrunk(before, d["viewers"], rule, usual=None if usual is None else usual.level)
    eis = classic_v1.clamp_score(level - rc_parts["report_points"])
    parts = {**ae_parts, **cq_parts, **li_parts, **rc_parts, **shrink_parts}
    if usual is None:
        level_mean = mean(before, d["viewers"], classic_v1.RULE.no_like)
        usual = Usual(_per_viewer(d, "likes"), _per_viewer(d, "comments"), cq_mean, li_mean, level_mean)
    return Judged(eis, ae, cq, li, rc, parts, usual)


def weigh_events(
    con: Engine, window: Window, way: Ways, *, as_of: datetime | None = None, to_explain: bool = True
) -> Weighing:
    """The events of `window` with the weights in the relation `weights` of `con`, for `score`."""
    rule = RULE.components
    units = {word: getattr(rule, f"unit_{word}") for word in ("view", "like", "comment", "share")}
    return weighing(con, window, way, as_of=as_of, early_us=rule.early_us, units=units, to_explain=to_explain)


def _bring_up(latest: LatestScores, d: Mapping[str, np.ndarray], eis: Floats) -> None:
    """Each video's score of its last day with events; rows come day by day, so the last one stays."""
    happened = np.sum([d[f"raw_{name}"] for name in classic_v1.COUNTS], axis=0) > 0
    latest.update(d["video_id"][happened], eis[happened], d["end_us"][happened])
