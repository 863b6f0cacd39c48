"""Named, versioned rules for a revenue window: rates in basis points, money in cents, no float.

`pool_cents` is what of the revenue creators share. The policy in force is stored with the window as `to_json` gives it.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from bot_account_detection.kyc import KycLevel
from core.errors import BadInput

Ints = npt.NDArray[np.int64]
BASIS_POINTS = 10_000
MICRO = 10**6
PPB = 10**9
#: Cents times basis points have to fit into 64 bits, here and in the database.
MOST_CENTS = 10**14 - 1
#: A name as the database keeps it.
WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
#: The most that each setting may be; the database has the same bounds (check_policy).
MOST = {
    "gamma": 10,
    "hold_days": 3_660,
    "quality_centre": 100,
    "quality_divisor": 10**6,
    "streak_low": 100,
    "streak_high": 100,
    "streak_days": 366,
}


@dataclass(frozen=True, slots=True)
class Policy:
    """How a window's money becomes a pool, and the pool becomes pay. `*_bp` are basis points."""

    name: str
    version: int = 1
    #: The scoring model whose scores count.
    model: str = "fairshare_v1"
    #: "integrity": units x (EIS/100)^gamma x early x creator trust; "units": engagement units alone.
    value_rule: str = "integrity"
    gamma: int = 2
    pool_bp: int = 4_500
    margin_target_bp: int = 6_000
    platform_fee_bp: int = 1_000
    risk_reserve_bp: int = 1_000
    min_payout_cents: int = 1_000
    hold_days: int = 14
    #: The most a creator may be allocated in a window, by KYC level 0 to 3; None: no cap.
    kyc_caps_cents: tuple[int | None, ...] = (0, 5_000, 50_000, None)
    #: A pool above this needs the approval of a second admin; None: none does.
    approval_limit_cents: int | None = 10_000_000
    early_boost_bp: int = 500
    #: The pool moves by (mean EIS - centre) / divisor, at most by the limit.
    quality_centre: int = 60
    quality_divisor: int = 400
    quality_limit_bp: int = 200
    #: A creator's mean EIS of the last days moves the share: -bp at low or below, +bp at high or above.
    streak_bp: int = 300
    streak_low: int = 40
    streak_high: int = 70
    streak_days: int = 7

    def __post_init__(self) -> None:
        for field in fields(self):
            self._check(field.name, getattr(self, field.name))
        if len(self.kyc_caps_cents) != len(KycLevel):
            raise BadInput(f"the policy needs {len(KycLevel)} caps, one a KYC level", column="kyc_caps_cents")
        if self.platform_fee_bp + self.risk_reserve_bp > BASIS_POINTS:
            raise BadInput("fee and reserve together are more than everything", column="risk_reserve_bp")
        if self.value_rule not in ("integrity", "units"):
            raise BadInput(f"there is no value rule {self.value_rule!r}", column="value_rule")
        if self.streak_low >= self.streak_high:
            raise BadInput("the streak's low must be below its high", column="streak_low")
        if self.quality_divisor == 0 or self.version == 0:
            raise BadInput("0 is not 1 or more", column="version" if self.version == 0 else "quality_divisor")

    def _check(self, name: str, value: object) -> None:
        """Names are words; every number is a whole one and not negative; rates are at most 100 %."""
        values = value if name == "kyc_caps_cents" and isinstance(value, tuple) else (value,)
        for item in values:
            if name in ("name", "model", "value_rule"):
                if not isinstance(item, str) or not WORD.fullmatch(item):
                    raise BadInput(f"{item!r} is not a word of small letters", column=name)
            elif item is None and name in ("kyc_caps_cents", "approval_limit_cents"):
                continue
            elif not isinstance(item, int) or isinstance(item, bool) or item < 0:
                raise BadInput(f"{item!r} is not a whole number of 0 or more", column=name)
            elif name.endswith("_bp") and item > BASIS_POINTS:
                raise BadInput(f"{item} basis points are more than 100 %", column=name)
            elif item > (most := MOST.get(name, MOST_CENTS)):
                raise BadInput(f"{item} is more than {most}", column=name)

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back to an equal policy."""
        return asdict(self) | {"kyc_caps_cents": list(self.kyc_caps_cents)}

    @classmethod
    def from_json(cls, data: object) -> Policy:
        """Reads a stored policy. Raises BadInput naming what is unknown, missing or malformed."""
        if not isinstance(data, dict) or "name" not in data:
            raise BadInput("a policy is an object with at least a name")
        unknown = sorted(set(data) - {field.name for field in fields(cls)})
        if unknown:
            raise BadInput("the policy knows no such setting", column=str(unknown[0]))
        caps = data.get("kyc_caps_cents")
        if caps is not None and not isinstance(caps, list | tuple):
            raise BadInput(f"{caps!r} is not a list of caps", column="kyc_caps_cents")
        return cls(**(data if caps is None else data | {"kyc_caps_cents": tuple(caps)}))

    def cap_cents(self, kyc_level: int | None) -> int | None:
        """The most that a creator of this level may get, None for no cap; 0 while the level is unknown."""
        return 0 if kyc_level is None else self.kyc_caps_cents[KycLevel(kyc_level)]


#: The policies that come along: the database keeps the same as their first versions, `./run split` reads no database.
#: Counted events of weighed viewers: accounts that act as one are paid as one.
FAIRSHARE_V1 = Policy(name="fairshare_v1")
#: The first published rule, kept for comparison and audit.
CLASSIC_V1 = Policy(name="classic_v1", model="classic_v1")
#: A plain split by units: the yardstick that every other rule is measured against.
PRORATA = replace(CLASSIC_V1, name="prorata", value_rule="units", streak_bp=0, quality_limit_bp=0)
POLICIES = {policy.name: policy for policy in (FAIRSHARE_V1, CLASSIC_V1, PRORATA)}
#: The policy that is meant where none is named.
DEFAULT_POLICY = FAIRSHARE_V1.name


def policy_named(name: str) -> Policy:
    """The policy called `name` of those that come along. Raises BadInput with the names that there are."""
    if name not in POLICIES:
        raise BadInput(f"there is no policy {name!r}; there is {', '.join(sorted(POLICIES))}")
    return POLICIES[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolInputs:
    """What came in and went out in a window, in cents of one currency.

    `given_pool_cents` is a pool that a person sets instead of the policy's part of the revenue.
    """

    gross_cents: int = 0
    taxes_cents: int = 0
    store_fees_cents: int = 0
    refunds_cents: int = 0
    costs_cents: int = 0
    given_pool_cents: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None and field.name == "given_pool_cents":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise BadInput(f"{value!r} is not a whole number of cents of 0 or more", column=field.name)

    @property
    def has_revenue(self) -> bool:
        """Any figure of revenue is given, so that there is a margin to keep."""
        parts = (self.gross_cents, self.taxes_cents, self.store_fees_cents, self.refunds_cents, self.costs_cents)
        return any(parts)

    @property
    def net_cents(self) -> int:
        """Gross less taxes, store fees and refunds, never below 0."""
        return max(0, self.gross_cents - self.taxes_cents - self.store_fees_cents - self.refunds_cents)


def pool_cents(inputs: PoolInputs, policy: Policy, mean_eis: Fraction | None) -> int:
    """The window's pool: the policy's part of net revenue, moved by quality, under the margin guardrail.

    `mean_eis` is weighted by units; without any engagement it is None and moves nothing. A given pool is moved by
    nothing but the guardrail, and that only where revenue is given too.
    """
    margin = -(-policy.margin_target_bp * inputs.gross_cents // BASIS_POINTS)
    guardrail = max(0, inputs.net_cents - inputs.costs_cents - margin)
    if inputs.given_pool_cents is not None:
        return min(inputs.given_pool_cents, guardrail) if inputs.has_revenue else inputs.given_pool_cents
    pool = min(policy.pool_bp * inputs.net_cents // BASIS_POINTS, guardrail)
    moved = pool * (1 + quality_index(mean_eis, policy))
    return min(guardrail, moved.numerator // moved.denominator)


def quality_index(mean_eis: Fraction | None, policy: Policy) -> Fraction:
    """q = (mean EIS - 60) / 400 within plus or minus 2 %: better engagement makes the pool a little larger."""
    if mean_eis is None:
        return Fraction(0)
    limit = Fraction(policy.quality_limit_bp, BASIS_POINTS)
    return min(limit, max(-limit, (mean_eis - policy.quality_centre) / policy.quality_divisor))


def streak_ppb(mean_eis_micro: Ints, policy: Policy) -> Ints:
    """The factor on a creator's share in parts per billion, for mean EIS in millionths of a point.

    0.97 at a mean of 40 or less, 1.03 at 70 or more, and a straight ramp between, so that no creator falls off
    a cliff. Whole numbers throughout; rounded down to the billionth.
    """
    span = (policy.streak_high - policy.streak_low) * MICRO
    place = np.clip(mean_eis_micro - policy.streak_low * MICRO, 0, span)
    step = policy.streak_bp * (PPB // BASIS_POINTS)
    return np.asarray(PPB + step * (2 * place - span) // span, dtype=np.int64)
