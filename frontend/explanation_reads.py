"""What the explanation pages read, with the user's own client: row-level security answers for that user."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from frontend.readers import sure
from revenue_split.policy import Policy

_COLUMNS = (
    "video_id,window_start,window_end,model,discounted_units,groups,eis,eis_without,counted_units,"
    "counted_units_without,early_boost,early_boost_without,videos(title)"
)
_PARTS = "authentic_engagement,comment_quality,like_integrity,report_credibility"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One video in one window; `figures` has eis, counted_units and early_boost, and the same three `_without` what
    was discounted.
    """

    video_id: int
    title: str | None
    start: datetime
    end: datetime
    model: str
    discounted_units: float
    groups: list[dict[str, Any]]
    figures: dict[str, float | None]


@dataclass(frozen=True, slots=True)
class DayParts:
    """One scored day of a video: the components of its score, 0 to 100, and what was paid for."""

    eis: float
    authentic_engagement: float
    comment_quality: float
    like_integrity: float
    report_credibility: float
    counted_units: float


@dataclass(frozen=True, slots=True)
class PaidWindow:
    """A closed window that stands, and the policy that it was closed under."""

    window_id: int
    start: datetime
    end: datetime
    currency: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Cluster:
    """Accounts that act as one, for reviewers."""

    cluster_id: int
    accounts: int
    counted_as: float
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """One account of a cluster."""

    user_id: int
    weight: float
    reasons: list[str]


def read_windows(client: Any) -> list[tuple[datetime, datetime]]:
    """The windows over which viewers were weighed, the latest first; for staff."""
    query = client.table("scored_days").select("weighed_start,weighed_end").not_.is_("weighed_start", "null")
    rows = query.order("weighed_end", desc=True).limit(1000).execute().data
    return list(dict.fromkeys((sure(row["weighed_start"]), sure(row["weighed_end"])) for row in rows))


def read_most_discounted(client: Any, start: datetime, end: datetime, *, limit: int) -> list[Explanation]:
    """The videos of a window with the most units that did not count, the most first."""
    query = client.table("video_explanations").select(_COLUMNS).eq("window_start", start.isoformat())
    query = query.eq("window_end", end.isoformat()).order("discounted_units", desc=True).order("video_id")
    return [_explanation(row) for row in query.limit(limit).execute().data]


def read_explanations(client: Any, video_id: int) -> list[Explanation]:
    """A video's explanations, the latest window first."""
    query = client.table("video_explanations").select(_COLUMNS).eq("video_id", video_id)
    return [_explanation(row) for row in query.order("window_end", desc=True).limit(100).execute().data]


def read_explanation(client: Any, video_id: int, start: datetime, end: datetime) -> Explanation | None:
    """A video's explanation in one window, None where it has none any more."""
    found = read_explanations(client, video_id)
    return next((one for one in found if (one.start, one.end) == (start, end)), None)


def _explanation(row: dict[str, Any]) -> Explanation:
    names = ("eis", "counted_units", "early_boost")
    return Explanation(
        video_id=row["video_id"],
        title=(row["videos"] or {}).get("title"),
        start=sure(row["window_start"]),
        end=sure(row["window_end"]),
        model=row["model"],
        discounted_units=row["discounted_units"],
        groups=row["groups"],
        figures={name + suffix: row[name + suffix] for name in names for suffix in ("", "_without")},
    )


def read_day_parts(client: Any, of: Explanation) -> list[DayParts]:
    """The scored days that an explanation speaks of."""
    query = client.table("video_aggregates").select(f"eis,counted_units,{_PARTS}").eq("video_id", of.video_id)
    query = query.eq("model", of.model).gte("window_start", of.start.isoformat()).lte("window_end", of.end.isoformat())
    return [DayParts(**row) for row in query.order("window_start").limit(1000).execute().data]


def read_paid_windows(client: Any, *, everybodys: bool) -> list[PaidWindow]:
    """The closed windows that stand, the latest first: the creator's own, or everybody's for an admin."""
    if everybodys:
        query = client.table("revenue_windows").select("id,window_start,window_end,currency,policy,status")
        rows = query.order("window_end", desc=True).order("id", desc=True).limit(50).execute().data
    else:
        rows = [row | {"id": row["revenue_window_id"]} for row in client.rpc("my_windows").execute().data]
    return [
        PaidWindow(
            row["id"],
            sure(row["window_start"]),
            sure(row["window_end"]),
            row["currency"],
            Policy.from_json(row["policy"]),
        )
        for row in rows
        if row["status"] == "closed"
    ]


def read_video_cents(client: Any, video_id: int, window_id: int, *, model: str) -> int | None:
    """What a closed window allocated to a video by scores of this model, None where it has no such share."""
    query = client.table("video_rev_shares").select("allocated_cents").eq("video_id", video_id)
    rows = query.eq("revenue_window_id", window_id).eq("model", model).execute().data
    return rows[0]["allocated_cents"] if rows else None


def read_clusters(client: Any, start: datetime, end: datetime, *, limit: int) -> list[Cluster]:
    """The largest clusters of a window; for reviewers."""
    query = client.table("viewer_clusters").select("cluster_id,accounts,counted_as,evidence")
    query = query.eq("window_start", start.isoformat()).eq("window_end", end.isoformat())
    rows = query.order("accounts", desc=True).order("cluster_id").limit(limit).execute().data
    return [Cluster(**row) for row in rows]


def read_members(client: Any, start: datetime, end: datetime, cluster_id: int, *, limit: int) -> list[Member]:
    """Accounts of a cluster, the lowest weight first; for reviewers."""
    query = client.table("viewer_weights").select("user_id,weight,reasons").eq("cluster_id", cluster_id)
    query = query.eq("window_start", start.isoformat()).eq("window_end", end.isoformat())
    return [Member(**row) for row in query.order("weight").order("user_id").limit(limit).execute().data]
