"""Every number by which viewers are weighed, in one table that code, tests and reviewers share.

Creators read the reasons and not these numbers: a threshold that is known is a threshold that is evaded.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.timewindows import DAY_US

HOUR_US = 3_600 * 10**6


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Times in the unit that ends the name; a factor of 1 is no evidence, 0 is nothing left."""

    #: How far back before the window an account's life is looked at.
    lookback_us: int = 28 * DAY_US

    # Two-family rule.
    fired_below: float = 0.85
    #: A device speaks against its accounts where they are twice what a large family is; below that it only shares.
    device_fired_below: float = 0.51
    least_with_one_family: float = 0.5
    #: How steeply the floor sinks below an established account's tier.
    young_floor_power: float = 4.0

    # Tier: what the account would cost to fake.
    tier_new: float = 0.04
    tier_established: float = 0.55
    tier_old: float = 0.90
    established_days: float = 30.0
    old_days: float = 730.0
    #: How much of the distance to 1 is left at each KYC level.
    tier_gap_by_kyc: tuple[float, float, float, float] = (1.0, 0.9, 0.4, 0.2)
    tier_low_trust: float = 0.8
    neutral_trust: float = 40.0
    tier_likely_bot: float = 0.7

    # Capacities, in viewers.
    device_viewers: float = 3.0
    device_acts_share: float = 0.25
    together_viewers: float = 1.5
    cluster_viewers: float = 2.0

    # Lockstep.
    lockstep_block_us: int = 2 * HOUR_US
    lockstep_gap_us: int = HOUR_US
    lockstep_close_us: int = HOUR_US // 6
    lockstep_videos: int = 3
    lockstep_wide_videos: int = 4
    lockstep_neighbours: int = 12
    lockstep_jaccard: float = 0.5
    #: How much likelier than by chance people of one taste meet on a video within the hour.
    lockstep_loose: float = 0.2
    lockstep_taste: float = 2.0
    lockstep_evidence: float = 8.0
    cluster_least: int = 3

    # Together at one device or address.
    together_block_us: int = HOUR_US
    together_accounts: int = 3
    together_times_usual: float = 4.0
    together_videos: int = 3
    together_share: float = 0.15

    # One-shot accounts and crowds that came for one creator.
    one_shot_visits: int = 2
    crowd_visits: int = 2
    crowd_low: float = 0.08
    crowd_share: float = 0.25
    crowd_high: float = 0.6
    #: So many of a kind are no question in any audience.
    slack_one_shot: float = 4.0
    slack_crowd: float = 4.0
    slack_batch: float = 3.0
    slack_praise: float = 4.0
    slack_detached: float = 4.0
    crowd_rounds: int = 5
    crowd_times_usual: float = 4.0
    #: ... or so many times what the oddest of the ordinary creators has.
    crowd_times_most: float = 2.0
    #: ... or so many for each other viewer: no audience is odd for a sixteenth of it.
    crowd_part: float = 0.06
    #: A creator whom so large a part of all people visit is nobody's odd choice.
    crowd_reach: float = 0.5
    #: The share of creators, by how odd their audience is, that is not asked what is usual.
    #: A smaller audience tells nothing about what is usual.
    crowd_audience: int = 20
    crowd_trim: float = 0.2
    crowd_least: float = 0.01
    #: What so large a part of an audience usually is says nothing about anybody.
    crowd_common: float = 0.3
    #: Cells of equally many accounts by age, for batches of accounts that were made together.
    batches: int = 16
    #: A video is praised by a like, a comment, a share or a follow.
    praise_share: float = 0.5
    sitting_us: int = HOUR_US
    #: Visits elsewhere without which nobody could have come on the way.
    detached_others: int = 3

    # Concentration of one viewer on one creator.
    concentration_taste: float = 30.0
    concentration_evidence: float = 2.5
    concentration_share: tuple[float, float] = (0.25, 0.5)

    # Reciprocity between creators.
    circle_visits: int = 3
    circle_taste: float = 5.0
    circle_evidence: float = 6.0
    circle_cap: float = 0.5
    circle_least: float = 0.05
    #: So many creators that visit back, far beyond chance, are a circle whatever each pair did.
    circle_partners: int = 3
    #: A count over many creators leaves less to taste than one pair's.
    circle_taste_partners: float = 2.5

    def parameters(self, family: str) -> dict[str, float]:
        """The named parameters of a family's SQL."""
        wanted = {
            "lockstep": ("lockstep_block_us", "lockstep_gap_us", "lockstep_close_us", "lockstep_videos"),
            "errands": ("sitting_us",),
            "busy_acts": ("together_block_us", "together_accounts"),
            "gathered": ("together_accounts",),
            "there": ("together_block_us",),
            "hits": ("together_block_us",),
            "hours": ("together_block_us",),
            "crowded_acts": ("device_viewers",),
            "together": ("together_times_usual", "device_viewers"),
        }
        return {name: getattr(self, name) for name in wanted.get(family, ())}


THRESHOLDS = Thresholds()
