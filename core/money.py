"""Exact division of an integer number of cents: water-filling under caps, then largest remainder.

No float takes part. A weight given as a float is taken as the exact binary fraction that it stores, so the
result depends on the number alone and not on the platform's rounding. Whatever nobody can take is the
residual: `sum(cents) + residual_cents == pool_cents`, always.

The rule: find the level `L` with `sum(min(cap_i, L * w_i)) = pool` (members whose cap is reached stand at
their cap), give every other member `floor(L * w_i)` and hand the remaining cents, one each, to the largest
fractional parts. Equal fractional parts are ordered by `tie_key`, a hash of the window and the member, so
that the same member is not favoured in every window.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BadInput


@dataclass(frozen=True, slots=True)
class Division:
    """`cents[i]` for member i in the order given, and what nobody could take."""

    cents: list[int]
    residual_cents: int


def tie_key(window: str, member: int) -> int:
    """The rank of `member` among equals in `window`: 64 bits of SHA-256, the same on every platform."""
    return int.from_bytes(hashlib.sha256(f"{window}\n{member}".encode()).digest()[:8], "big")


def exact_weights(weights: Sequence[int | float]) -> list[int]:
    """Integers in exactly the proportions of `weights`.

    Integers stay as they are; if there is a float, all are multiplied by the smallest power of two that makes
    every one of them whole. Raises BadInput for a weight that is negative or not finite.
    """
    numerators: list[int] = []
    denominators: list[int] = []
    largest = 1
    for position, weight in enumerate(weights, start=1):
        if weight < 0 or (isinstance(weight, float) and not math.isfinite(weight)):
            raise BadInput(f"a weight must be finite and not negative, got {weight}", row=position)
        numerator, denominator = weight.as_integer_ratio()
        numerators.append(numerator)
        denominators.append(denominator)
        largest = max(largest, denominator)
    if largest == 1:
        return numerators
    return [n * (largest // d) for n, d in zip(numerators, denominators, strict=True)]


def divide(
    *,
    pool_cents: int,
    weights: Sequence[int | float],
    tie_keys: Sequence[int],
    caps_cents: Sequence[int | None] | None = None,
) -> Division:
    """Divides `pool_cents` in proportion to `weights`, nobody above their cap (None: no cap).

    A member of weight 0 gets nothing. The order of the members changes nothing but the order of the answer,
    as long as their tie keys differ. Raises BadInput for a negative pool, cap or weight, or unequal lengths.
    """
    count = len(weights)
    caps: Sequence[int | None] = [None] * count if caps_cents is None else caps_cents
    if len(tie_keys) != count or len(caps) != count:
        sizes = f"{count} weights, {len(tie_keys)} tie keys and {len(caps)} caps"
        raise BadInput(f"{sizes} do not belong together")
    if pool_cents < 0:
        raise BadInput(f"the pool can not be negative, got {pool_cents} cents")
    exact = exact_weights(weights)
    cents = [0] * count
    takers = [i for i, weight in enumerate(exact) if weight > 0]
    rest, free = _fill_caps(pool_cents, exact, caps, takers, cents)
    total = sum(exact[i] for i in free)
    if not free:
        return Division(cents, rest)
    remainders: list[tuple[int, int, int]] = []
    left = rest
    for i in free:
        cents[i], remainder = divmod(rest * exact[i], total)
        left -= cents[i]
        remainders.append((-remainder, tie_keys[i], i))
    # Fewer cents are left than members have a fractional part, and every such member stands below its cap.
    remainders.sort()
    for _, _, i in remainders[:left]:
        cents[i] += 1
    return Division(cents, 0)


def _fill_caps(
    pool: int, weights: list[int], caps: Sequence[int | None], takers: list[int], cents: list[int]
) -> tuple[int, list[int]]:
    """Puts those whose cap is reached at their cap; returns what is left and who shares it."""
    capped: list[tuple[int, int]] = []
    # Two different fractions cap / weight are at least 1 / (w_max ** 2) apart: this shift keeps them apart.
    shift = 2 * max((weights[i].bit_length() for i in takers), default=0)
    for i in takers:
        cap = caps[i]
        if cap is None:
            continue
        if cap < 0:
            raise BadInput(f"a cap can not be negative, got {cap} cents", row=i + 1)
        capped.append(((cap << shift) // weights[i], i))
    capped.sort()
    rest, total = pool, sum(weights[i] for i in takers)
    full: set[int] = set()
    for _, i in capped:
        cap = caps[i]
        if cap is None or cap * total > rest * weights[i]:
            break
        cents[i] = cap
        rest -= cap
        total -= weights[i]
        full.add(i)
    return rest, [i for i in takers if i not in full]
