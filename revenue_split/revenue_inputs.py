"""Recorded revenue: what a window to come will be closed by, whoever or whatever closes it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from core.settings import Settings
from core.timewindows import Window
from revenue_split import calls, reading
from revenue_split.policy import Policy, PoolInputs

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_CENTS = tuple(field.name for field in fields(PoolInputs))


@dataclass(frozen=True, slots=True)
class Recorded:
    """The latest figures of a window, and the policy as `name@version`."""

    inputs: PoolInputs
    policy: str
    currency: str


def record(
    who: Settings | Client,
    window: Window,
    inputs: PoolInputs,
    policy: Policy,
    *,
    currency: str = "USD",
    kind: str = "regular",
) -> None:
    """Writes the figures down; the latest ones again change nothing. Raises NotAllowed or MalformedRequest."""
    calls.call(
        who,
        "record_revenue",
        p_inputs={
            "kind": kind,
            "window_start": window.start.isoformat(),
            "window_end": window.end.isoformat(),
            "currency": currency,
            **asdict(inputs),
            "policy_name": policy.name,
            "policy_version": policy.version,
        },
    )


def recorded(who: Settings | Client, window: Window, *, kind: str = "regular") -> Recorded | None:
    """The latest figures of these days, None without any."""
    rows = reading.read(
        who,
        "revenue_inputs",
        (*_CENTS, "currency", "policy_name", "policy_version"),
        key="id",
        where={"kind": kind, "window_start": window.start.isoformat(), "window_end": window.end.isoformat()},
        latest=1,
    )
    if not rows:
        return None
    row = rows[0]
    inputs = PoolInputs(**{name: row[name] for name in _CENTS})
    return Recorded(inputs, f"{row['policy_name']}@{row['policy_version']}", row["currency"])
