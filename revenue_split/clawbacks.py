"""What was taken back from creators, and giving it back where that was wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from core.settings import Settings
from core.timewindows import parse_utc
from revenue_split import calls, reading

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_COLUMNS = ("id", "creator_id", "kind", "reference", "currency", "amount_cents", "reason", "created_at")


@dataclass(frozen=True, slots=True)
class Clawback:
    """A chargeback or a confirmed fraud. `given_back`: why it was given back, None while it stands."""

    clawback_id: int
    creator_id: int
    kind: str
    reference: str
    currency: str
    amount_cents: int
    reason: str
    created_at: datetime
    given_back: str | None


@dataclass(frozen=True, slots=True)
class GivenBack:
    """What became of the amount: available to the creator, or less owed. Both are the clawback's amount."""

    available_cents: int
    owed_cents: int
    replayed: bool


def clawbacks(who: Settings | Client, *, latest: int = 50) -> list[Clawback]:
    """The latest clawbacks that `who` may see, the latest first."""
    rows = reading.read(who, "clawbacks", _COLUMNS, key="id", latest=latest)
    undone = reading.read(who, "clawback_reversals", ("clawback_id", "reason"), key="id")
    reasons = {row["clawback_id"]: row["reason"] for row in undone}
    return [
        Clawback(
            clawback_id=row["id"],
            created_at=parse_utc(row["created_at"]),
            given_back=reasons.get(row["id"]),
            **{name: row[name] for name in _COLUMNS if name not in ("id", "created_at")},
        )
        for row in rows
    ]


def give_back(who: Settings | Client, clawback_id: int, *, reason: str, idempotency_key: str) -> GivenBack:
    """Mirrors a clawback that was wrong, once; the creator reads the reason.

    Raises GivenBackBefore, NotAllowed, or another MoneyRefused with nothing written.
    """
    answer = calls.call(
        who, "reverse_clawback", p_idempotency_key=idempotency_key, p_clawback_id=clawback_id, p_reason=reason
    )
    return GivenBack(answer["available_cents"], answer["owed_cents"], answer["replayed"])
