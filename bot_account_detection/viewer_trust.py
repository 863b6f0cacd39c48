"""The viewer trust score (VTS): how much one account's word counts in the classic score, 0 to 100.

Formula (classic_v1): `viewer_trust_score` if the platform gave one, else 40 + 0.25 a day of the
account's age, 50 where neither is known; up to 5 more for a verified person; 30 less for a likely bot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bot_account_detection.kyc import KycLevel
from core.arrays import Floats, Ints, SmallInts, places, rounded
from core.event_log import NEVER_US
from core.timewindows import DAY_US

#: One VTS point in the integer unit that is summed, so that a mean depends on no order of summation.
POINT = 10**12
SQL = Path(__file__).with_name("viewer_trust.sql")
MACRO = Path(__file__).with_name("vts.sql")


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
        """The numbers of `vts.sql` by their names."""
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


def macro(rule: ViewerTrustRule = RULE) -> str:
    """The statement that makes the macro vts(…) of `vts.sql`; a macro takes no parameters from outside."""
    # With an exponent, so that no number is taken for a decimal.
    return MACRO.read_text(encoding="utf-8").format(**{name: f"{x:.17e}" for name, x in rule.parameters().items()})


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the VTS looks at, one entry an account: the given score (not a number where there is none), when it was made
    (NEVER_US where that is unknown), what verification adds and being a likely bot takes.
    """

    given: Floats
    created_us: Ints
    bonus: Floats
    penalty: Floats

    @classmethod
    def of(cls, ids: Ints, users: pa.Table, rule: ViewerTrustRule = RULE) -> Accounts:
        """Of the ascending `ids` from `users` (id, viewer_trust_score, created_us, kyc_level, likely_bot); whoever is
        not there is unknown.
        """
        at = places(ids, users["id"].to_numpy())
        found = cls(np.full(len(ids), np.nan), np.full(len(ids), NEVER_US), *np.zeros((2, len(ids))))
        found.given[at] = users["viewer_trust_score"].cast(pa.float64()).to_numpy()
        found.created_us[at] = users["created_us"].fill_null(NEVER_US).to_numpy()
        found.bonus[at] = np.array([*rule.verified_bonus, 0.0])[users["kyc_level"].fill_null(-1).to_numpy()]
        bots = users["likely_bot"].fill_null(False).to_numpy(zero_copy_only=False)
        found.penalty[at] = rule.likely_bot_penalty * bots
        return found

    def trust(self, who: SmallInts, as_of_us: Ints, rule: ViewerTrustRule = RULE) -> Ints:
        """The VTS of each of `who` at its time, in whole POINTs: what `vts.sql` computes, to the last bit."""
        created, points = self.created_us[who], self.given[who]
        age_days = np.maximum(0, as_of_us - created).astype(np.float64) / DAY_US
        by_age = np.where(created == NEVER_US, rule.unknown, rule.new_account + rule.per_day * age_days)
        points = np.where(np.isnan(points), by_age, points)
        points = points + self.bonus[who] - self.penalty[who]
        return rounded(np.clip(points, 0.0, 100.0) * POINT)


def viewer_trust(
    *,
    given: float | None,
    age_days: float | None,
    likely_bot: bool | None,
    kyc_level: int | None,
    rule: ViewerTrustRule = RULE,
) -> float:
    """The VTS of one account: what `vts.sql` computes for all of them (a test holds them together)."""
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
