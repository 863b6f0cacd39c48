"""What the payout pages read, through the user's own client: row-level security answers for that user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from frontend.readers import PAGE_ROWS, sure

_PAYOUT = "id,creator_id,method_id,currency,amount_cents,fee_cents,status,status_reason,created_at"


@dataclass(frozen=True, slots=True)
class Method:
    """An account at a provider that money can be sent to."""

    method_id: int
    provider: str
    label: str
    is_simulator: bool


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a payout."""

    at: datetime
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class PayoutRow:
    """A payout of the signed-in creator."""

    payout_id: int
    currency: str
    amount_cents: int
    fee_cents: int
    status: str
    reason: str | None
    created_at: datetime
    method: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class AdminPayout:
    """A payout of anybody."""

    payout_id: int
    creator_id: int
    currency: str
    amount_cents: int
    fee_cents: int
    status: str
    reason: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that is not released."""

    hold_id: int
    creator_id: int
    payout_id: int | None
    reason: str
    created_at: datetime


def read_methods(client: Any, user_id: int) -> list[Method]:
    """The creator's methods that were not removed, the newest first."""
    providers = client.table("payout_providers").select("name,is_simulator").execute().data
    simulated = {row["name"]: row["is_simulator"] for row in providers}
    query = client.table("payout_methods").select("id,provider,label").eq("user_id", user_id)
    rows = query.is_("removed_at", "null").order("id", desc=True).execute().data
    return [Method(row["id"], row["provider"], row["label"], simulated[row["provider"]]) for row in rows]


def read_payouts(client: Any, user_id: int) -> list[PayoutRow]:
    """The creator's payouts, the latest first: as many as the API gives at once."""
    query = client.table("payouts").select(_PAYOUT).eq("creator_id", user_id)
    rows = query.order("id", desc=True).limit(50).execute().data
    labels = {
        row["id"]: row["label"]
        for row in client.table("payout_methods").select("id,label").eq("user_id", user_id).execute().data
    }
    steps = _steps(client, [row["id"] for row in rows])
    return [
        PayoutRow(
            **_figures(row),
            method=labels[row["method_id"]],
            steps=tuple(steps.get(row["id"], ())),
        )
        for row in rows
    ]


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    """What everybody who may see a payout sees of it."""
    same = ("currency", "amount_cents", "fee_cents", "status")
    seen = {name: row[name] for name in same}
    return seen | {"payout_id": row["id"], "reason": row["status_reason"], "created_at": sure(row["created_at"])}


def _steps(client: Any, ids: list[int]) -> dict[int, list[Step]]:
    if not ids:
        return {}
    query = client.table("payout_events").select("payout_id,to_status,reason,created_at").in_("payout_id", ids)
    found: dict[int, list[Step]] = {}
    for row in query.order("id").limit(PAGE_ROWS).execute().data:
        found.setdefault(row["payout_id"], []).append(Step(sure(row["created_at"]), row["to_status"], row["reason"]))
    return found


def read_all_payouts(client: Any) -> list[AdminPayout]:
    """Everybody's payouts, the latest thousand first."""
    rows = client.table("payouts").select(_PAYOUT).order("id", desc=True).limit(PAGE_ROWS).execute().data
    return [AdminPayout(creator_id=row["creator_id"], **_figures(row)) for row in rows]


def read_open_holds(client: Any) -> list[Hold]:
    """Every hold that stands, the latest first."""
    query = client.table("payout_holds").select("id,creator_id,payout_id,reason,created_at")
    rows = query.is_("released_at", "null").order("id", desc=True).limit(PAGE_ROWS).execute().data
    return [
        Hold(row["id"], row["creator_id"], row["payout_id"], row["reason"], sure(row["created_at"])) for row in rows
    ]
