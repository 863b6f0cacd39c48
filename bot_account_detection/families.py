"""What speaks against counting a viewer in full: one pure function a family, from plain arrays to factors.

A factor is between 0 and 1, and 1 wherever nothing is known. The docstring of each function is what a creator
reads about it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bot_account_detection.clusters import groups
from bot_account_detection.thresholds import THRESHOLDS, Thresholds

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Grouping = Callable[[int, Ints, Ints], tuple[Ints, Ints]]


def tier(age_days: Floats, kyc_level: Floats, trust: Floats, likely_bot: Bools, t: Thresholds = THRESHOLDS) -> Floats:
    """New accounts count little, because new accounts cost nothing. The weight grows from the first day on, and
    faster for people who have shown who they are.
    """
    young = np.clip(age_days / t.established_days, 0.0, 1.0)
    grown = np.clip(
        np.log(np.maximum(age_days, t.established_days) / t.established_days) / np.log(t.old_days / t.established_days),
        0.0,
        1.0,
    )
    base = t.tier_new + (t.tier_established - t.tier_new) * young**2 + (t.tier_old - t.tier_established) * grown
    level = np.nan_to_num(kyc_level, nan=0.0).astype(np.int64)
    value = 1.0 - (1.0 - base) * np.array(t.tier_gap_by_kyc)[level]
    low = t.tier_low_trust + (1.0 - t.tier_low_trust) * np.clip(trust / t.neutral_trust, 0.0, 1.0)
    value = value * np.where(np.isnan(trust), 1.0, low) * np.where(likely_bot, t.tier_likely_bot, 1.0)
    # An account that is a month old is nobody's throw-away: what is left is for the other families to say.
    value = np.where(age_days >= t.established_days, np.maximum(value, t.least_with_one_family), value)
    return np.where(np.isnan(age_days), 1.0, value)


def device(user: Ints, accounts: Ints, acts: Ints, count: int, t: Thresholds = THRESHOLDS) -> Floats:
    """All accounts that were seen on one device count as three viewers at most: a family is not a farm."""
    total = np.bincount(user, acts, count)
    # A device that is used now and then says less, one with a quarter of all acts says everything it can.
    used = np.minimum(1.0, acts / (t.device_acts_share * total[user]))
    factor = np.ones(count)
    np.minimum.at(factor, user, 1.0 - (1.0 - np.minimum(1.0, t.device_viewers / accounts)) * used)
    return factor


def together(
    user: Ints, meetings: Ints, share: Floats, accounts: Floats, count: int, t: Thresholds = THRESHOLDS
) -> Floats:
    """Several accounts at one device or one address that keep coming to the same videos count as one or two viewers.
    Sharing a device or an address alone, as in a family, on a campus or with one phone company, changes nothing.
    """
    factor = np.ones(count)
    acting = (meetings >= t.together_videos) & (share >= t.together_share)
    factor[user[acting]] = np.minimum(1.0, t.together_viewers / accounts[acting])
    return factor


def surprise(seen: Floats, expected: Floats) -> Floats:
    """How badly chance explains `seen` where `expected` was to be: the log-likelihood ratio of a Poisson count,
    0 for as many as expected or fewer.
    """
    expected = np.maximum(expected, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = seen * np.log(seen / expected) - (seen - expected)
    return np.where(seen > expected, ratio, 0.0)


def lockstep(
    one: Ints,
    two: Ints,
    together: Ints,
    close_together: Ints,
    alike: Floats,
    by_chance: Floats,
    count: int,
    t: Thresholds = THRESHOLDS,
    *,
    groups: Grouping = groups,
) -> tuple[Floats, Floats, Ints, Ints]:
    """Accounts that came to the same three videos within minutes of one another, or to more within the hour, and did
    little else,
    count together as two viewers at most.

    Returns the factor of the strict tier, the factor of the loose tier (which only corroborates), each account's
    cluster, and its size.
    """
    enough = (close_together >= t.lockstep_videos) | (together >= t.lockstep_wide_videos)
    strict = (alike >= t.lockstep_jaccard) & enough
    evidence = surprise(together.astype(np.float64), t.lockstep_taste * by_chance)
    odd = (evidence >= t.lockstep_evidence) & (alike >= t.lockstep_loose)
    _, sure = groups(count, one[strict], two[strict])
    cluster, size = groups(count, one[strict | odd], two[strict | odd])
    factors = [np.where(n >= t.cluster_least, np.minimum(1.0, t.cluster_viewers / n), 1.0) for n in (sure, size)]
    return factors[0], factors[1], cluster, size


def crowd(
    member: Bools, creator: Ints, prior: Floats, creators: Ints, audience: Floats, t: Thresholds = THRESHOLDS
) -> Floats:
    """Many accounts that came for one creator alone and hardly anything else, far more than comparable creators
    have, count as the number that is usual. Every creator has such fans, and a few more are no question. Those who
    are counted first are the ones with the least against them, so strangers who are sent to a rival do not take
    the place of the rival's fans.
    """
    factor = np.ones(len(member))
    if not member.any():
        return factor
    at = np.searchsorted(creators, creator)
    members = np.bincount(at[member], minlength=len(creators)).astype(np.float64)
    standing = np.bincount(at[member], prior[member], len(creators))
    others = np.maximum(audience - standing, 1.0)
    # What is usual is asked of the creators whose audience is least odd, so that those who cheat do not set it.
    order = np.lexsort((creators, members / others))
    order = order[audience[order] >= t.crowd_audience]
    ordinary = order[: max(1, int(np.ceil(len(order) * (1.0 - t.crowd_trim))))] if len(order) else order
    usual = float(members[ordinary].sum() / max(1.0, float(others[ordinary].sum())))
    allowed = t.crowd_slack + t.crowd_times_usual * usual * others
    # Accounts of one creator with the same standing share what is left for them alike.
    who = np.flatnonzero(member)
    who = who[np.lexsort((-prior[who], at[who]))]
    level = (np.diff(at[who], prepend=-1) != 0) | (np.diff(prior[who], prepend=np.inf) != 0)
    start = np.flatnonzero(level)
    size = np.diff(start, append=len(who))
    above = start - np.searchsorted(at[who], at[who][start])
    room = np.clip((allowed[at[who][start]] - above) / size, t.crowd_least, 1.0)
    factor[who] = np.repeat(room, size)
    return factor


def concentration(visits: Floats, all_visits: Floats, popularity: Floats, t: Thresholds = THRESHOLDS) -> Floats:
    """An account that goes to one creator again and again and to nearly nobody else, far beyond what the creator's
    popularity explains, counts less. Alone it never counts less than half: fans are people.
    """
    expected = np.maximum(1.0, t.concentration_taste * popularity * all_visits)
    low, high = t.concentration_share
    ramp = np.clip((visits / np.maximum(all_visits, 1.0) - low) / (high - low), 0.0, 1.0)
    evidence = surprise(visits, expected) * ramp
    return np.minimum(1.0, t.concentration_evidence / np.maximum(evidence, 1e-9))


def circle(
    one: Ints, given: Ints, returned: Ints, all_given: Ints, by_chance: Floats, count: int, t: Thresholds = THRESHOLDS
) -> Floats:
    """Creators who visit one another far more often than their audience and their habits explain count in part,
    by how much of their time goes into the circle. They are real people, and never count for nothing.
    """
    least = np.minimum(given, returned).astype(np.float64)
    mutual = (least >= t.circle_visits) & (surprise(least, t.circle_taste * by_chance) >= t.circle_evidence)
    inside = np.bincount(one[mutual], given[mutual], count)
    total = np.ones(count)
    total[one] = np.maximum(all_given, 1)
    return 1.0 - (1.0 - t.circle_cap) * np.minimum(1.0, inside / total)
