"""The way in for reviewers' verdicts, and why one may be refused: one class a reason, with its object and a sentence.

The database decides who may, checks, writes the row and its audit row in one transaction; here it is only asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import httpx
from postgrest.exceptions import APIError

from core.errors import Refused, StackError

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn


class VerdictRefused(Refused):
    """Root of the refusals of verdicts. `details` is the object that it speaks of."""

    #: SQLSTATE under which the database raises it.
    code: ClassVar[str] = ""

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        self.details: dict[str, Any] = dict(details or {})
        super().__init__(message)


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


_BY_CODE = {kind.code: kind for kind in (NoReviewer, OwnCase, UnknownVerdict, BadExpiry, NothingToDecide)}


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
    with _refusals():
        return client.rpc(function, arguments).execute().data


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        kind = _BY_CODE.get(error.code or "")
        if kind is None:
            raise StackError(f"the data API refused: {error.message or error}") from error
        raise kind(error.message or "", _details(error.details)) from error
    except httpx.HTTPError as error:
        raise StackError(f"the data API does not answer: {error or type(error).__name__}") from error


def _details(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {"detail": text}
    return found if isinstance(found, dict) else {"detail": found}
