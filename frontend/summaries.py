"""What the dashboard says, computed from what the readers found: pure functions, None where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from frontend.readers import Balances, DayScore, Movement, UserRow, VideoRow, WindowShare
from ui.cards import Standing, Step

KYC_NAMES = ("none", "basic", "identity", "full")


@dataclass(frozen=True, slots=True)
class Engagement:
    """A stretch of days of a channel. `eis` is weighted by engagement units; `rate` is likes, comments and shares
    a view."""

    views: int
    eis: float | None
    rate: float | None
    as_of: datetime | None


def one_model(scores: Sequence[DayScore]) -> list[DayScore]:
    """The scores of the model that scored the latest day: two models are never mixed in one figure."""
    if not scores:
        return []
    latest = max(scores, key=lambda score: (score.day, score.model)).model
    return [score for score in scores if score.model == latest]


def engagement(scores: Sequence[DayScore]) -> Engagement:
    """Sums the days that are given."""
    views = sum(score.views for score in scores)
    actions = sum(score.likes + score.comments + score.shares for score in scores)
    weighed = [(score.eis, score.eng_units) for score in scores if score.eis is not None]
    units = sum(weight for _, weight in weighed)
    return Engagement(
        views=views,
        eis=sum(eis * weight for eis, weight in weighed) / units if units else None,
        rate=actions / views if views else None,
        as_of=max((score.day_end for score in scores), default=None),
    )


def last_days(scores: Sequence[DayScore], days: int, *, before: int = 0) -> list[DayScore]:
    """The scores of the last `days` scored days; `before` skips that many days from the end."""
    if not scores:
        return []
    end = max(score.day_end for score in scores) - timedelta(days=before)
    return [score for score in scores if end - timedelta(days=days) <= score.day < end]


def by_day(scores: Sequence[DayScore]) -> pd.DataFrame:
    """One row a calendar day (UTC): day, views, eis. A day without scores is a row of missing values."""
    if not scores:
        return pd.DataFrame({"day": [], "views": [], "eis": []})
    groups: dict[datetime, list[DayScore]] = {}
    for score in scores:
        groups.setdefault(score.day, []).append(score)
    first, last = min(groups), max(groups)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    found = [engagement(groups[day]) if day in groups else None for day in days]
    return pd.DataFrame(
        {
            "day": days,
            "views": [one.views if one else None for one in found],
            "eis": [one.eis if one else None for one in found],
        }
    ).astype({"views": "Int64", "eis": "Float64"})


def with_gaps(column: pd.Series) -> list[float | None]:
    """A column for a chart: missing values are None, so that the line breaks there."""
    return [None if pd.isna(value) else float(value) for value in column]


def is_final(day: DayScore, shares: Sequence[WindowShare]) -> bool:
    """Whether a closed window holds this day, under the same model."""
    closed = (share for share in shares if share.model == day.model and not share.is_reversed)
    return any(share.start <= day.day and day.day_end <= share.end for share in closed)


def standing_of(scores: Sequence[DayScore], shares: Sequence[WindowShare]) -> Standing:
    """Final when every day that a figure sums is in a closed window, else estimated."""
    return Standing.FINAL if scores and all(is_final(s, shares) for s in scores) else Standing.ESTIMATED


def video_table(videos: Sequence[VideoRow], scores: Sequence[DayScore], shares: Sequence[WindowShare]) -> pd.DataFrame:
    """One row a video: title, views and engagement of the days given, latest EIS, and how settled that score is."""
    per_video: dict[int, list[DayScore]] = {}
    for score in scores:
        per_video.setdefault(score.video_id, []).append(score)
    rows = []
    for video in videos:
        own = per_video.get(video.video_id, [])
        summed = engagement(own)
        latest = own[-1:] if own else []
        rows.append(
            {
                "video": video.title or f"Video {video.video_id}",
                "eis": video.eis,
                "views": summed.views if own else None,
                "engagement": summed.rate,
                "scored until": video.eis_as_of,
                "standing": None if video.eis is None else standing_of(latest, shares).value[0],
            }
        )
    columns = ["video", "eis", "views", "engagement", "scored until", "standing"]
    table = pd.DataFrame(rows, columns=columns).astype({"views": "Int64", "eis": "Float64", "engagement": "Float64"})
    return table.sort_values("views", ascending=False, na_position="last", kind="stable")


def earned_cents(movements: Sequence[Movement], currency: str) -> int:
    """All that ever came to a creator, wherever it is now: moves between own accounts cancel out, payouts are not
    counted against it."""
    kept = (m for m in movements if m.currency == currency and not m.what.startswith("payout"))
    return sum(movement.cents for movement in kept)


def kyc_words(level: int | None) -> str:
    """The KYC level in words."""
    return "not known" if level is None else f"{level} · {KYC_NAMES[level]}"


def actions_required(me: UserRow, balances: Balances | None, shares: Sequence[WindowShare]) -> list[str]:
    """Sentences about what only the creator can change; each one from a fact in the database."""
    found = []
    if me.kyc_level == 0:
        found.append("Your identity is not verified (KYC level 0): your share of a window is capped at nothing.")
    current = [share for share in shares if not share.is_reversed]
    if current and me.kyc_level != 0 and current[0].capped_cents < current[0].alloc_cents:
        found.append(
            "Your share of the last closed window was above the limit of your KYC level. A higher level lifts it."
        )
    if balances is not None and balances.receivable_cents < 0:
        found.append("Your account owes money; it is netted from your next window first.")
    return found


def first_steps(me: UserRow, videos: Sequence[VideoRow], shares: Sequence[WindowShare]) -> list[Step]:
    """The way from a new account to the first money."""
    return [
        Step("Become a creator", me.is_creator, "On your home page."),
        Step("Publish a first video", bool(videos), "Your videos appear here once they are published."),
        Step(
            "Get a first integrity score",
            any(video.eis is not None for video in videos),
            "Each day (UTC) is scored once it is over.",
        ),
        Step(
            "Verify your identity",
            (me.kyc_level or 0) >= 1,
            "Level 1 lifts the cap on your share from nothing to its first limit.",
        ),
        Step("Share in a first revenue window", bool(shares), "An administrator closes it; your part appears here."),
    ]
