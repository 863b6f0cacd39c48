"""The viewer trust score (VTS): how much one account's word counts in the classic score, 0 to 100.

Formula (classic_v1): `viewer_trust_score` if the platform gave one, else 40 + 0.25 a day of the
account's age, 50 where neither is known; up to 5 more for a verified person; 30 less for a likely bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot_account_detection.kyc import KycLevel

#: One VTS point in the integer unit that is summed, so that a mean depends on no order of summation.
POINT = 10**12
SQL = Path(__file__).with_name("viewer_trust.sql")


@dataclass(frozen=True, slots=True)
class ViewerTrustRule:
    """Every number of the VTS, in points."""

    new_account: float = 40.0
    per_day: float = 0.25
    unknown: float = 50.0
    likely_bot_penalty: float = 30.0
    #: For a verified person: a step per KYC level; an unknown level gives nothing.
    verified_bonus: tuple[float, float, float, float] = (0.0, 1.0, 3.0, 5.0)

    def parameters(self) -> Mapping[str, float]:
        """The named parameters of `viewer_trust.sql`."""
        none, contact, document, full = (self.verified_bonus[level] for level in KycLevel)
        return {
            "new_account": self.new_account,
            "per_day": self.per_day,
            "unknown": self.unknown,
            "likely_bot_penalty": self.likely_bot_penalty,
            "bonus_none": none,
            "bonus_contact": contact,
            "bonus_document": document,
            "bonus_full": full,
            "point": float(POINT),
        }


RULE = ViewerTrustRule()


def viewer_trust(
    *,
    given: float | None,
    age_days: float | None,
    likely_bot: bool | None,
    kyc_level: int | None,
    rule: ViewerTrustRule = RULE,
) -> float:
    """The VTS of one account: what `viewer_trust.sql` computes for all of them (a test holds them together)."""
    if given is not None:
        points = given
    elif age_days is not None:
        points = rule.new_account + rule.per_day * max(0.0, age_days)
    else:
        points = rule.unknown
    if kyc_level is not None:
        points += rule.verified_bonus[kyc_level]
    if likely_bot:
        points -= rule.likely_bot_penalty
    return min(100.0, max(0.0, points))
