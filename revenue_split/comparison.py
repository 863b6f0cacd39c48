"""Policies side by side on the same events: what each would pay whom, with nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from core.settings import Settings
from core.timewindows import Window
from revenue_split.errors import DaysNotScored
from revenue_split.policy import Policy, PoolInputs
from revenue_split.report import count_paid
from revenue_split.windows import WindowPreview, preview

TOP = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one policy would do. Without figures, `why` tells why there are none: its days are not scored yet."""

    policy: Policy
    figures: WindowPreview | None
    why: str | None = None

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.policy.name}@{self.policy.version}"

    def cents(self) -> dict[int, int]:
        """The allocation of each creator, within limits."""
        if self.figures is None:
            return {}
        table = self.figures.result.creators
        return dict(zip(table["creator_id"].to_pylist(), table["capped_cents"].to_pylist(), strict=True))

    @property
    def paid(self) -> int:
        """How many creators would get something."""
        return 0 if self.figures is None else count_paid(self.figures)

    @property
    def top_cents(self) -> int:
        """What the ten largest get together."""
        return sum(sorted(self.cents().values(), reverse=True)[:TOP])


def compare(
    settings: Settings,
    window: Window,
    inputs: PoolInputs,
    policies: Sequence[Policy],
    *,
    currency: str = "USD",
) -> list[Outcome]:
    """Previews the window under each policy, in their order.

    A policy whose model has not scored the window's days is an outcome without figures, never a guess. Raises
    BadInput for a window that can not be previewed at all, ConfigError or StackError.
    """
    found = []
    for policy in policies:
        try:
            found.append(Outcome(policy, preview(settings, window, inputs, policy, currency=currency)))
        except DaysNotScored as missing:
            found.append(Outcome(policy, None, missing.sentence))
    return found


def moved_cents(before: Outcome, after: Outcome) -> int | None:
    """How many cents would go to other creators, or to creators at all; None where one of them has no figures."""
    if before.figures is None or after.figures is None:
        return None
    old, new = before.cents(), after.cents()
    gains = [new.get(creator, 0) - old.get(creator, 0) for creator in old.keys() | new.keys()]
    return max(sum(gain for gain in gains if gain > 0), -sum(gain for gain in gains if gain < 0))


def by_creator(outcomes: Sequence[Outcome]) -> pa.Table:
    """`creator_id` and one column of allocated cents a policy with figures, the largest of the first policy first."""
    shown = [outcome for outcome in outcomes if outcome.figures is not None]
    cents = [outcome.cents() for outcome in shown]
    everybody = sorted(set().union(*cents), key=lambda creator: (-cents[0].get(creator, 0) if cents else 0, creator))
    columns: dict[str, list[int]] = {"creator_id": everybody}
    for outcome, mine in zip(shown, cents, strict=True):
        columns[outcome.label] = [mine.get(creator, 0) for creator in everybody]
    return pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})


def table_rows(outcomes: Sequence[Outcome]) -> list[dict[str, int | str | None]]:
    """One row a policy: cents of pool, parts and residual, creators paid, the top ten, and what moves against the
    first policy.
    """
    rows: list[dict[str, int | str | None]] = []
    for outcome in outcomes:
        figures = outcome.figures
        row: dict[str, int | str | None] = {"policy": outcome.label, "model": outcome.policy.model, "why": outcome.why}
        if figures is not None:
            row |= {
                "pool_cents": figures.result.pool_cents,
                "allocated_cents": figures.result.allocated_cents,
                "platform_fee_cents": figures.total_cents("platform_fee_cents"),
                "reserve_cents": figures.total_cents("reserve_cents"),
                "carried_cents": figures.total_cents("carried_cents"),
                "residual_cents": figures.result.residual_cents,
                "paid_creators": outcome.paid,
                "top_cents": outcome.top_cents,
                "moved_cents": moved_cents(outcomes[0], outcome),
            }
        rows.append(row)
    return rows
