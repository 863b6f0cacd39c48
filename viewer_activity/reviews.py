"""Reviews that creators ask for: one reason on one video in one window, asked once, answered by a reviewer.

The database decides who may, checks, and writes; here it is only asked, and a reason's accounts are told apart as the
explanation told them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bot_account_detection.viewer_weights import INDEPENDENT
from core.errors import CodedRefusal, refusal_below
from supabase_conn import api_refusals
from viewer_activity.explanations import viewer_codes

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

_COLUMNS = "id,video_id,creator_id,window_start,window_end,code,words,asked_at,status,answer,cleared,decided_at"


class ReviewRefused(CodedRefusal):
    """Root of the refusals of reviews."""


class NotYours(ReviewRefused):
    """The video is somebody else's, or the caller is no reviewer."""

    code = "42501"


class OwnReview(ReviewRefused):
    """The reviewer would answer about their own video or account."""

    code = "22Z61"


class AskedBefore(ReviewRefused):
    """A review is asked for once for a video, a window and a reason."""

    code = "22ZG2"


class NothingToReview(ReviewRefused):
    """The reason does not stand on the video, or follows from a rule that nobody's look changes."""

    code = "22ZG3"


class AnsweredBefore(ReviewRefused):
    """A request is answered once."""

    code = "22ZG4"


class AnotherReviewer(ReviewRefused):
    """Who confirmed an account does not decide about it again."""

    code = "22ZG5"


class UnclearReview(ReviewRefused):
    """Words are missing or too long, or accounts are named that have nothing to do with it."""

    code = "22ZG6"


@dataclass(frozen=True, slots=True)
class Review:
    """One request. `status`: "open", "upheld" or "rejected"; answer and decided_at are None while it is open."""

    review_id: int
    video_id: int
    creator_id: int
    start: datetime
    end: datetime
    code: str
    words: str
    asked_at: datetime
    status: str
    answer: str | None
    cleared: int
    decided_at: datetime | None


def ask(client: Client, video_id: int, start: datetime, end: datetime, *, code: str, words: str) -> int:
    """Asks as the signed-in creator; returns the request's number. Raises a ReviewRefused subclass."""
    arguments = {
        "p_video_id": video_id,
        "p_window_start": start.isoformat(),
        "p_window_end": end.isoformat(),
        "p_code": code,
        "p_words": words,
    }
    return int(_call(client, "ask_review", arguments))


def answer(client: Client, review_id: int, *, upheld: bool, words: str, clear: Iterable[int] = ()) -> int:
    """Answers as the signed-in reviewer and clears accounts in the same act; returns how many were cleared.

    The creator reads `words`. Raises a ReviewRefused subclass with nothing written.
    """
    arguments = {"p_review_id": review_id, "p_upheld": upheld, "p_answer": words, "p_clear": sorted(clear)}
    return int(_call(client, "answer_review", arguments)["cleared"])


def of_video(client: Client, video_id: int, start: datetime, end: datetime) -> list[Review]:
    """What was asked about a video in a window, the first request first."""
    query = client.table("review_requests").select(_COLUMNS).eq("video_id", video_id)
    query = query.eq("window_start", start.isoformat()).eq("window_end", end.isoformat())
    with api_refusals(what="the reviews"):
        rows: Any = query.order("id").execute().data
    return [_review(row) for row in rows]


def requests(client: Client, *, is_open: bool, limit: int) -> list[Review]:
    """For reviewers: what waits, the oldest first; or what was answered, the latest first."""
    query = client.table("review_requests").select(_COLUMNS)
    query = query.eq("status", "open") if is_open else query.neq("status", "open")
    with api_refusals(what="the reviews"):
        rows: Any = query.order("id", desc=not is_open).limit(limit).execute().data
    return [_review(row) for row in rows]


def disputed_accounts(client: Client, review: Review) -> list[int]:
    """For reviewers: the accounts that stand under the reason on the video, in order of their ids.

    None where the reason is no account's own but what the audience as a whole looks like ("counts_less_here").
    """
    rows = _call(client, "review_accounts", {"p_review_id": review.review_id})
    codes = viewer_codes(_weights(rows)).to_pylist()
    return [row["user_id"] for row in codes if row["code"] == review.code]


def _weights(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Kept weights as `viewer_codes` takes them: a factor that was not kept is 1."""
    families = {
        name: pa.array([float(row["factors"].get(name, 1.0)) for row in rows], pa.float64()) for name in INDEPENDENT
    }
    return pa.table(
        {
            "user_id": pa.array([row["user_id"] for row in rows], pa.int64()),
            "weight": pa.array([row["weight"] for row in rows], pa.float64()),
            **families,
            "reasons": pa.chunked_array([pa.array([row["reasons"] for row in rows], pa.list_(pa.string()))]),
        }
    )


def _review(row: Mapping[str, Any]) -> Review:
    return Review(
        review_id=row["id"],
        start=datetime.fromisoformat(row["window_start"]),
        end=datetime.fromisoformat(row["window_end"]),
        asked_at=datetime.fromisoformat(row["asked_at"]),
        decided_at=None if row["decided_at"] is None else datetime.fromisoformat(row["decided_at"]),
        **{name: row[name] for name in ("video_id", "creator_id", "code", "words", "status", "answer", "cleared")},
    )


def _call(client: Client, function: str, arguments: dict[str, Any]) -> Any:
    with api_refusals(partial(refusal_below, ReviewRefused), what="the review"):
        return client.rpc(function, arguments).execute().data
