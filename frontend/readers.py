"""Every read of the portal: functions over a user's own client, so that row-level security answers for that user.

Amounts are integer cents, times are UTC. What the database does not know comes back as None, never as a default.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from revenue_split import approvals, jobs, policies, reading, statements
from revenue_split.approvals import Proposal
from revenue_split.policies import KeptPolicy
from revenue_split.policy import DEFAULT_POLICY
from revenue_split.statements import Statement

#: Supabase answers with at most this many rows; a reader that needs more pages by key.
PAGE_ROWS = 1000


def when(text: str | None) -> datetime | None:
    """A timestamp of the API."""
    return None if text is None else datetime.fromisoformat(text)


def sure(text: str) -> datetime:
    """A timestamp of a column that is never null."""
    return datetime.fromisoformat(text)


@dataclass(frozen=True, slots=True)
class UserRow:
    """One's own row in `users`, with the staff role beside it."""

    user_id: int
    created_at: datetime | None
    is_creator: bool
    kyc_level: int | None
    creator_trust_score: float | None
    viewer_trust_score: float | None
    staff_role: str | None


def read_me(client: Any, auth_id: str) -> UserRow:
    """The signed-in user's own row. Raises LookupError when the sign-up trigger left none."""
    columns = "id,created_at,is_creator,kyc_level,creator_trust_score,viewer_trust_score"
    rows = client.table("users").select(columns).eq("auth_id", auth_id).execute().data
    if not rows:
        raise LookupError(f"no row in users belongs to the log-in {auth_id}")
    row = rows[0]
    role = client.rpc("staff_role").execute().data
    return UserRow(
        user_id=row["id"],
        created_at=when(row["created_at"]),
        is_creator=row["is_creator"],
        kyc_level=row["kyc_level"],
        creator_trust_score=row["creator_trust_score"],
        viewer_trust_score=row["viewer_trust_score"],
        staff_role=role,
    )


@dataclass(frozen=True, slots=True)
class Balances:
    """A creator's accounts in one currency; receivable is negative while something is owed."""

    currency: str
    available_cents: int
    reserve_cents: int
    carried_cents: int
    payout_pending_cents: int
    receivable_cents: int


@dataclass(frozen=True, slots=True)
class Reserve:
    """Money held back until `available_at`."""

    amount_cents: int
    available_at: datetime


@dataclass(frozen=True, slots=True)
class WindowShare:
    """What one closed window brought to one creator: capped = fee + reserve + pay now + carried.

    `released_carry_cents` was carried from earlier windows and became available with this one.
    """

    window_id: int
    start: datetime
    end: datetime
    closed_at: datetime
    currency: str
    policy_name: str
    model: str
    is_reversed: bool
    alloc_cents: int
    capped_cents: int
    platform_fee_cents: int
    reserve_cents: int
    pay_now_cents: int
    carried_cents: int
    released_carry_cents: int

    @property
    def earned_cents(self) -> int:
        """The creator's own part: after limit and fee, whether available, held or carried."""
        return self.capped_cents - self.platform_fee_cents


@dataclass(frozen=True, slots=True)
class Movement:
    """One booking on one of a creator's accounts; negative when it leaves the account."""

    movement_id: int
    at: datetime
    what: str
    account: str
    cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class VideoRow:
    """A video with its latest score; `eis` is None until it is scored."""

    video_id: int
    title: str | None
    created_at: datetime | None
    status: str
    eis: float | None
    eis_as_of: datetime | None
    eis_model: str | None


@dataclass(frozen=True, slots=True)
class DayScore:
    """One video on one scored day (UTC) under one model."""

    video_id: int
    day: datetime
    day_end: datetime
    model: str
    eis: float | None
    eng_units: float
    views: int
    likes: int
    comments: int
    shares: int
    active_viewers: int
    authentic_engagement: float | None
    comment_quality: float | None
    like_integrity: float | None
    report_credibility: float | None


def read_balances(client: Any, user_id: int) -> Balances | None:
    """A creator's balances, None while no account exists. The currency with the most money stands for all."""
    columns = "currency,available_cents,reserve_cents,carried_cents,payout_pending_cents,receivable_cents"
    rows = client.table("creator_balances").select(columns).eq("user_id", user_id).execute().data
    found = [Balances(**row) for row in rows]
    return max(found, key=lambda b: b.available_cents + b.reserve_cents + b.carried_cents, default=None)


def read_open_reserves(client: Any, user_id: int) -> list[Reserve]:
    """What is held back and until when, the earliest first."""
    rows = (
        client.table("reserves")
        .select("amount_cents,available_at")
        .eq("creator_id", user_id)
        .is_("released_at", "null")
        .order("available_at")
        .execute()
        .data
    )
    return [Reserve(row["amount_cents"], sure(row["available_at"])) for row in rows]


def read_movements(client: Any, user_id: int) -> list[Movement]:
    """Every booking on a creator's accounts, the latest first; paged by key."""
    columns = "id,event_at,payment_type,status,direction,amount_cents,currency"
    found: list[Movement] = []
    while True:
        query = client.table("transactions").select(columns).eq("recipient", user_id).order("id").limit(PAGE_ROWS)
        page = query.gt("id", found[-1].movement_id if found else 0).execute().data
        for row in page:
            cents = row["amount_cents"] if row["direction"] == "credit" else -row["amount_cents"]
            at = sure(row["event_at"])
            found.append(Movement(row["id"], at, row["payment_type"], row["status"], cents, row["currency"]))
        if len(page) < PAGE_ROWS:
            return sorted(found, key=lambda movement: (movement.at, movement.movement_id), reverse=True)


_MONEY = (
    "alloc_cents",
    "capped_cents",
    "platform_fee_cents",
    "reserve_cents",
    "pay_now_cents",
    "carried_cents",
    "released_carry_cents",
)


def read_window_shares(client: Any, user_id: int) -> list[WindowShare]:
    """Every closed or reversed window that a creator had a part in, the latest first."""
    windows = {row["revenue_window_id"]: row for row in client.rpc("my_windows").execute().data}
    rows: list[dict[str, Any]] = []
    while True:
        query = client.table("window_allocations").select(f"revenue_window_id,{','.join(_MONEY)}")
        query = query.eq("creator_id", user_id).order("revenue_window_id").limit(PAGE_ROWS)
        page = query.gt("revenue_window_id", rows[-1]["revenue_window_id"] if rows else 0).execute().data
        rows += page
        if len(page) < PAGE_ROWS:
            break
    shares = [_window_share(windows[row["revenue_window_id"]], row) for row in rows]
    return sorted(shares, key=lambda share: (share.end, share.window_id), reverse=True)


def _window_share(window: dict[str, Any], money: dict[str, Any]) -> WindowShare:
    return WindowShare(
        window_id=window["revenue_window_id"],
        start=sure(window["window_start"]),
        end=sure(window["window_end"]),
        closed_at=sure(window["closed_at"]),
        currency=window["currency"],
        policy_name=window["policy_name"],
        model=window["model"],
        is_reversed=window["status"] == "reversed",
        **{name: money[name] for name in _MONEY},
    )


def read_videos(client: Any, creator_id: int) -> list[VideoRow]:
    """A creator's videos; paged by key."""
    columns = "id,title,created_at,status,eis_current,eis_updated_at,eis_model"
    found: list[VideoRow] = []
    while True:
        query = client.table("videos").select(columns).eq("creator_id", creator_id).order("id").limit(PAGE_ROWS)
        page = query.gt("id", found[-1].video_id if found else 0).execute().data
        found += [_video_row(row) for row in page]
        if len(page) < PAGE_ROWS:
            return found


def _video_row(row: dict[str, Any]) -> VideoRow:
    return VideoRow(
        row["id"],
        row["title"],
        when(row["created_at"]),
        row["status"],
        row["eis_current"],
        when(row["eis_updated_at"]),
        row["eis_model"],
    )


def find_videos(client: Any, *, search: str, limit: int) -> list[VideoRow]:
    """Videos that the client may see, the weakest score first; `search` is a video's number or part of its title."""
    columns = "id,title,created_at,status,eis_current,eis_updated_at,eis_model"
    query = client.table("videos").select(columns)
    words = search.strip()
    if words.isascii() and words.isdigit():
        query = query.eq("id", int(words[:18]))
    elif words:
        escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        query = query.ilike("title", f"%{escaped}%")
    rows = query.order("eis_current", nullsfirst=False).order("id").limit(limit).execute().data
    return [_video_row(row) for row in rows]


def read_is_reviewer(client: Any) -> bool:
    """What the database says of the signed-in user at this moment."""
    return client.rpc("is_reviewer").execute().data is True


def read_is_admin(client: Any) -> bool:
    """Likewise, for admins."""
    return client.rpc("is_admin").execute().data is True


_DAY_COLUMNS = (
    "id,video_id,window_start,window_end,model,eis,eng_units,views,likes,comments,shares,active_viewers,"
    "authentic_engagement,comment_quality,like_integrity,report_credibility"
)
#: Video ids in one request; more would make the address too long.
_IDS_AT_ONCE = 150


def read_day_scores(client: Any, video_ids: list[int], *, since: datetime) -> list[DayScore]:
    """The day scores of these videos from `since` on, in order of day; paged by key."""
    rows: list[dict[str, Any]] = []
    for at in range(0, len(video_ids), _IDS_AT_ONCE):
        last = 0
        while True:
            page = (
                client.table("video_aggregates")
                .select(_DAY_COLUMNS)
                .in_("video_id", video_ids[at : at + _IDS_AT_ONCE])
                .gte("window_start", since.isoformat())
                .gt("id", last)
                .order("id")
                .limit(PAGE_ROWS)
                .execute()
                .data
            )
            rows += page
            if len(page) < PAGE_ROWS:
                break
            last = page[-1]["id"]
    scores = [_day_score(row) for row in rows]
    return sorted(scores, key=lambda score: (score.day, score.video_id))


def _day_score(row: dict[str, Any]) -> DayScore:
    same = {name: row[name] for name in _DAY_COLUMNS.split(",") if name not in {"id", "window_start", "window_end"}}
    return DayScore(day=sure(row["window_start"]), day_end=sure(row["window_end"]), **same)


@dataclass(frozen=True, slots=True)
class ClosedWindow:
    """A closed window with its totals; for staff."""

    window_id: int
    start: datetime
    end: datetime
    closed_at: datetime
    currency: str
    policy_name: str
    pool_cents: int
    allocated_cents: int
    residual_cents: int
    is_reversed: bool


_WINDOW_COLUMNS = (
    "id,window_start,window_end,closed_at,currency,policy_name,pool_cents,allocated_cents,residual_cents,status"
)


def read_closed_windows(client: Any, *, limit: int = 50) -> list[ClosedWindow]:
    """The latest closed or reversed windows, the latest first."""
    query = client.table("revenue_windows").select(_WINDOW_COLUMNS).order("window_end", desc=True)
    rows = query.order("id", desc=True).limit(limit).execute().data
    return [
        ClosedWindow(
            window_id=row["id"],
            start=sure(row["window_start"]),
            end=sure(row["window_end"]),
            closed_at=sure(row["closed_at"]),
            currency=row["currency"],
            policy_name=row["policy_name"],
            pool_cents=row["pool_cents"],
            allocated_cents=row["allocated_cents"],
            residual_cents=row["residual_cents"],
            is_reversed=row["status"] == "reversed",
        )
        for row in rows
    ]


def read_capped_cents(client: Any, window_id: int) -> dict[int, int]:
    """What each creator was allocated in a closed window, by creator; paged by key."""
    found: dict[int, int] = {}
    last = -1
    while True:
        page = (
            client.table("window_allocations")
            .select("creator_id,capped_cents")
            .eq("revenue_window_id", window_id)
            .gt("creator_id", last)
            .order("creator_id")
            .limit(PAGE_ROWS)
            .execute()
            .data
        )
        found |= {row["creator_id"]: row["capped_cents"] for row in page}
        if len(page) < PAGE_ROWS:
            return found
        last = page[-1]["creator_id"]


def read_policies(client: Any) -> list[KeptPolicy]:
    """Every kept policy, the default one's latest version first; for staff."""
    found = policies.listed(client)
    return sorted(found, key=lambda kept: kept.policy.name != DEFAULT_POLICY)


def read_proposals(client: Any) -> list[Proposal]:
    """The latest proposals, the latest first; for admins."""
    return approvals.proposals(client)


def read_jobs(client: Any, *, limit: int = 100) -> list[dict[str, Any]]:
    """The latest jobs, the newest first; for admins."""
    return jobs.listed(client, latest=limit)


def read_audit(client: Any, *, limit: int = 200) -> list[dict[str, Any]]:
    """The latest acts, the latest first; for admins."""
    columns = ("at", "actor_id", "actor_role", "action", "object_type", "object_id", "figures", "reason")
    return reading.read(client, "audit_log", columns, key="id", latest=limit)


def read_statement_numbers(client: Any, creator_id: int) -> list[dict[str, Any]]:
    """Number and window of each statement of a creator, the latest window first."""
    rows = reading.read(client, "statements", ("number",), key="revenue_window_id", where={"creator_id": creator_id})
    return list(reversed(rows))


def read_statement(client: Any, window_id: int, creator_id: int) -> Statement:
    """One issued statement with its videos. Raises StopIteration when there is none."""
    return next(statements.of_window(client, window_id, creator_id=creator_id))
