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


def usual(members: Floats, standing: Floats, audience: Floats, t: Thresholds = THRESHOLDS) -> tuple[float, float]:
    """How many accounts of one kind an audience usually has for each other member of it, and how many are still in
    the range of what audiences differ by.

    `members` are those of the kind by creator, `standing` what the other families leave of them, `audience` what they
    leave of everybody. What is usual is asked of the creators whose audience is least odd, so that those who cheat
    do not set it.
    """
    others = np.maximum(audience - standing, 1.0)
    ratio = members / others
    order = np.argsort(ratio, kind="stable")
    order = order[audience[order] >= t.crowd_audience]
    if not len(order):
        return 0.0, 0.0
    ordinary = order[: max(1, int(np.ceil(len(order) * (1.0 - t.crowd_trim))))]
    mean = float(members[ordinary].sum() / max(1.0, float(others[ordinary].sum())))
    return mean, max(t.crowd_times_usual * mean, t.crowd_times_most * float(ratio[ordinary[-1]]))


def one_shot(all_visits: Floats, t: Thresholds = THRESHOLDS) -> Ints:
    """Accounts that came once or twice in all and never did anything else. Every creator has some of them; where there
    are far more than comparable creators have, they count together as the number that is usual.
    """
    return np.asarray(all_visits <= t.one_shot_visits, np.int64)


def crowd(visits: Ints, all_visits: Floats, t: Thresholds = THRESHOLDS) -> Ints:
    """Accounts that came for one creator again and again and for little else. Every creator has such fans; where there
    are far more than comparable creators have, they count together as the number that is usual.

    0, or how devoted: 1 to 3.
    """
    level = np.zeros(len(visits), np.int64)
    for share in (t.crowd_low, t.crowd_share, t.crowd_high):
        level += visits >= share * all_visits
    level[(one_shot(all_visits, t) == 1) | (visits < t.crowd_visits)] = 0
    return level


def praise(praised: Ints, videos: Ints, t: Thresholds = THRESHOLDS) -> Ints:
    """Accounts that like, share or comment on nearly everything of one creator that they see. Fans do; where far more
    of an audience does so than of comparable audiences, they count together as the number that is usual.
    """
    return np.asarray((praised > 0) & (praised >= t.praise_share * videos), np.int64)


def detached(alone: Ints, videos: Ints, elsewhere: Floats, t: Thresholds = THRESHOLDS) -> Ints:
    """Accounts that see other creators too, but never on the way to this one: they come, see it and are gone. A link
    that is passed on does that; where far more of an audience comes so than of comparable audiences, they count
    together as the number that is usual.
    """
    return np.asarray((alone == videos) & (elsewhere >= t.detached_others), np.int64)


def batch(age_days: Floats, t: Thresholds = THRESHOLDS) -> Ints:
    """Accounts that were made at about the same time. Every audience has people of all ages; where far more are of one
    age than in comparable audiences, they count together as the number that is usual.

    The number of each account's cell of equally many accounts by age, -1 where that is unknown.
    """
    known = ~np.isnan(age_days)
    if not known.any():
        return np.full(len(age_days), -1)
    edges = np.unique(np.quantile(age_days[known], np.linspace(0.0, 1.0, t.batches + 1)[1:-1]))
    return np.where(known, np.searchsorted(edges, age_days, side="right"), -1)


def as_usual(
    group: Ints, prior: Floats, allowed: Floats, slack: Floats, common: float, t: Thresholds = THRESHOLDS
) -> Floats:
    """The factors of accounts of which one audience has too many, so that they count as the number that is usual.
    Those who are counted first are the ones with the least against them, so strangers who are sent to a rival do not
    take the place of the rival's fans. What is common on the platform is no evidence at all.

    `group` and `prior` have one entry a member, `allowed` and `slack` one entry a group: how many are usual, and how
    many more are no question if they are established; `common` is the part of an audience that usually is of the kind.
    """
    factor = np.ones(len(group))
    who = np.lexsort((-prior, group))
    # Accounts of one group with the same standing share what is left for them alike.
    level = (np.diff(group[who], prepend=-1) != 0) | (np.diff(prior[who], prepend=np.inf) != 0)
    start = np.flatnonzero(level)
    size = np.diff(start, append=len(who))
    above = start - np.searchsorted(group[who], group[who][start])
    more = np.minimum(1.0, prior[who][start] / t.least_with_one_family) ** 2
    left = allowed[group[who][start]] + more * slack[group[who][start]] - above
    room = np.clip(left / np.maximum(size, 1), t.crowd_least, 1.0)
    factor[who] = np.repeat(room, size)
    return np.maximum(factor, said_by_chance(common, t))


def said_by_chance(common: float, t: Thresholds = THRESHOLDS) -> float:
    """The least factor for a kind that is that part of an ordinary audience: 1 for what is common."""
    return min(1.0, (common / t.crowd_common) ** 2)


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
    one: Ints,
    two: Ints,
    given: Ints,
    returned: Ints,
    praise: Ints,
    all_given: Ints,
    by_chance: Floats,
    praise_by_chance: Floats,
    partners_by_chance: Floats,
    count: int,
    t: Thresholds = THRESHOLDS,
) -> tuple[Floats, Floats]:
    """Creators who visit and praise one another far more often than their audience and their habits explain: what
    they do for one another counts as often as habit explains. They are real people, and whatever else they do counts
    in full.

    Returns how much of each account's visits lies outside of its circle (down to a cap), and the factor of each
    pair's acts.
    """
    least = np.minimum(given, returned).astype(np.float64)
    expected, praise_expected = t.circle_taste * by_chance, t.circle_taste * praise_by_chance
    visiting = (least >= t.circle_visits) & (surprise(least, expected) >= t.circle_evidence)
    praised = praise.astype(np.float64)
    praising = (praised >= t.circle_visits) & (surprise(praised, praise_expected) >= t.circle_evidence)
    # Who is praised back by many has a circle, even where each pair alone did little.
    partners = np.bincount(one[praise > 0], minlength=count).astype(np.float64)
    back = np.zeros(count)
    back[one] = partners_by_chance
    many = surprise(partners, t.circle_taste_partners * back) >= t.circle_evidence
    # The same of what comes after the first mutual praise, which chance may have brought about.
    more, by_habit = (
        np.bincount(one, values, count).astype(np.float64)
        for values in (np.maximum(praised - 1.0, 0.0), praise_expected)
    )
    many |= surprise(more, by_habit) >= t.circle_evidence
    many &= partners >= t.circle_partners
    praising |= many[one] & many[two] & (praise > 0)
    inside = np.bincount(one[visiting | praising], given[visiting | praising], count)
    total = np.ones(count)
    total[one] = np.maximum(all_given, 1)
    visits_left = np.where(visiting, expected / np.maximum(given, 1), 1.0)
    praise_left = np.where(praising, praise_expected / np.maximum(praised, 1.0), 1.0)
    pair = np.clip(np.minimum(visits_left, praise_left), t.circle_least, 1.0)
    return 1.0 - (1.0 - t.circle_cap) * np.minimum(1.0, inside / total), pair
