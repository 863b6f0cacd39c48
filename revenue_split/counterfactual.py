"""What a video would have been paid without what was discounted: the value units of both, and the pay in proportion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from revenue_split.policy import BASIS_POINTS, Policy


def pay_without(cents: int, explanation: Mapping[str, Any], policy: Policy) -> int | None:
    """The pay of `cents` had the disputed events not been, the pool and everybody else as they are; to the cent, an
    estimate, since caps and rounding are left out. None where nothing was paid for, so that there is no proportion.

    `explanation` has eis, counted_units and early_boost, and the same three `_without`.
    """
    now, then = _value(explanation, "", policy), _value(explanation, "_without", policy)
    return round(cents * then / now) if now > 0 else None


def _value(explanation: Mapping[str, Any], suffix: str, policy: Policy) -> float:
    eis, units, early = (explanation[f"{name}{suffix}"] for name in ("eis", "counted_units", "early_boost"))
    if eis is None:
        return 0.0
    boost = 1.0 + (early or 0.0) * policy.early_boost_bp / BASIS_POINTS
    return float(units * (eis / 100.0) ** policy.gamma * boost)
