"""What waits for a second admin: closes and reversals above the limit of their policy, kept as they were looked at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from core.settings import Settings
from core.timewindows import parse_utc
from revenue_split import calls, reading
from revenue_split.errors import AwaitingApproval, ProposalSettled

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_COLUMNS = (
    "id", "action", "summary", "why", "status", "proposed_by", "proposed_at", "expires_at",
    "decided_by", "decided_at", "reason",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Proposal:
    """A close or a reversal that somebody asked for. `summary` has the totals that it would have."""

    proposal_id: int
    #: "close" or "reverse".
    action: str
    summary: dict[str, Any]
    why: str
    #: "open", "approved", "rejected", "withdrawn" or "expired".
    status: str
    #: auth.users.id; None for a job.
    proposed_by: str | None
    proposed_at: datetime
    #: From then on it can not be decided.
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None

    def waits(self, now: datetime) -> bool:
        """Whether it can still be decided at `now`."""
        return self.status == "open" and now < self.expires_at


def proposals(who: Settings | Client, *, latest: int = 50) -> list[Proposal]:
    """The latest proposals, the latest first. The database shows them to admins and jobs alone."""
    rows = reading.read(who, "window_proposals", _COLUMNS, key="id", latest=latest)
    return [
        Proposal(
            proposal_id=row["id"],
            action=row["action"],
            summary=row["summary"],
            why=row["why"],
            status=row["status"],
            proposed_by=row["proposed_by"],
            proposed_at=parse_utc(row["proposed_at"]),
            expires_at=parse_utc(row["expires_at"]),
            decided_by=row["decided_by"],
            decided_at=None if row["decided_at"] is None else parse_utc(row["decided_at"]),
            reason=row["reason"],
        )
        for row in rows
    ]


def decide(admin: Client, proposal_id: int, *, approve: bool, reason: str | None = None) -> dict[str, Any]:
    """Approves, which carries the proposal out at once, or ends it with a reason; as the signed-in admin.

    Returns what the close or the reversal answered, or that it is rejected (withdrawn, if it was one's own). Raises
    SecondPersonNeeded for approving one's own, ProposalSettled for a decided one, ProposalExpired when it is too late,
    and whatever the close itself refuses: the proposal then stays open.
    """
    answer = calls.call(
        admin, "decide_proposal", patient=True, p_proposal_id=proposal_id, p_approve=approve, p_reason=reason or None
    )
    return dict(answer)


def settled(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of a close or a reversal that took effect. Raises AwaitingApproval or ProposalSettled otherwise."""
    number = answer.get("proposal_id")
    if answer["status"] == "awaiting_approval":
        raise AwaitingApproval(
            f"proposal {number} waits for the approval of another admin until "
            f"{parse_utc(answer['expires_at']):%Y-%m-%d %H:%M} UTC, nothing has moved: {answer['why']}",
            answer,
        )
    if answer["status"] == "rejected":
        raise ProposalSettled(f"proposal {number} was rejected ({answer['reason']}); use another key", answer)
    return answer
