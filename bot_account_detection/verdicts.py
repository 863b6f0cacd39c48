"""The way in for reviewers' verdicts, and why one may be refused: one class a reason, with its object and a sentence.

The database decides who may, checks, writes the row and its audit row in one transaction; here it is only asked.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from core.errors import CodedRefusal, refusal_below
from supabase_conn import api_refusals

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn


class VerdictRefused(CodedRefusal):
    """Root of the refusals of verdicts."""


class NoReviewer(VerdictRefused):
    """The caller is not a reviewer."""

    code = "42501"


class OwnCase(VerdictRefused):
    """The verdict would be on the reviewer's own account or video."""

    code = "22Z61"


class UnknownVerdict(VerdictRefused):
    """There is no such account, video, verdict or reason."""

    code = "22Z62"


class BadExpiry(VerdictRefused):
    """A verdict without an end, or one that ends too late or in the past."""

    code = "22Z63"


class NothingToDecide(VerdictRefused):
    """There is no verdict to withdraw, or nobody has reported since the last one."""

    code = "22Z64"


def label_account(
    client: Client,
    user_id: int,
    *,
    verdict: str,
    reason_code: str,
    note: str | None = None,
    expires_at: datetime | None = None,
) -> int:
    """Writes the signed-in reviewer's verdict on an account; returns its number. `verdict` is "confirmed", "cleared" or
    "withdrawn"; all but the last expire. Raises a VerdictRefused subclass with nothing written.
    """
    arguments = {
        "p_user_id": user_id,
        "p_verdict": verdict,
        "p_reason_code": reason_code,
        "p_note": note,
        "p_expires_at": expires_at and expires_at.isoformat(),
    }
    return int(_call(client, "label_account", arguments))


def decide_reports(client: Client, video_id: int, *, verdict: str, reason_code: str, note: str | None = None) -> int:
    """Writes the signed-in reviewer's verdict ("upheld" or "dismissed") on a video's reports since the last one;
    returns how many people had reported. Raises a VerdictRefused subclass with nothing written.
    """
    arguments = {"p_video_id": video_id, "p_verdict": verdict, "p_reason_code": reason_code, "p_note": note}
    return int(_call(client, "decide_reports", arguments))


def _call(client: Client, function: str, arguments: dict[str, Any]) -> Any:
    with api_refusals(partial(refusal_below, VerdictRefused)):
        return client.rpc(function, arguments).execute().data
