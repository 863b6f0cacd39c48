"""Creators' statements: numbered, never changed, and the same file to the byte whenever one is drawn.

A statement's steps go from the creator's share to what became available and sum exactly; its videos sum to the share
within limits. Nothing in it depends on the day on which it is drawn or on anything that may change later.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.settings import Settings
from revenue_split import calls, reading
from revenue_split.errors import FiguresDisagree

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

#: Figure and label of each step, in their order; the last one is the sum.
STEPS = (
    ("share_cents", "Your share"),
    ("over_limit_cents", "Over the limit of your KYC level"),
    ("from_others_cents", "From others' limits"),
    ("fee_cents", "Platform fee"),
    ("reserve_cents", "Into reserve"),
    ("carried_cents", "Carried forward"),
    ("carried_before_cents", "Carried before, released"),
    ("owed_cents", "Taken for what you owe"),
)
_SUM = ("available_cents", "Available")
_FIELDS = ("number", "creator_id", "figures")
_SHARE_FIELDS = ("creator_id", "eng_units", "counted_units", "eis_avg", "allocated_cents")


@dataclass(frozen=True, slots=True)
class VideoLine:
    """What one video brought: raw and counted units, mean EIS (None without one), cents before fee and reserve."""

    video_id: int
    units: int
    counted_units: float
    eis: float | None
    cents: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One creator's statement of one window. `figures` as the database keeps them."""

    number: str
    creator_id: int
    figures: dict[str, Any]
    videos: tuple[VideoLine, ...]

    def __post_init__(self) -> None:
        steps = sum(self.figures[name] for name, _ in STEPS)
        kept = sum(self.figures[name] for name in ("share_cents", "over_limit_cents", "from_others_cents"))
        if steps != self.figures[_SUM[0]] or kept != sum(video.cents for video in self.videos):
            raise FiguresDisagree(f"the figures of statement {self.number} do not sum", {"number": self.number})

    @property
    def currency(self) -> str:
        return str(self.figures["currency"])

    def steps(self) -> list[tuple[str, int]]:
        """Label and signed cents, without the steps that did not happen; the last one is the sum."""
        taken = [(label, self.figures[name]) for name, label in STEPS]
        return [taken[0], *(step for step in taken[1:] if step[1]), (_SUM[1], self.figures[_SUM[0]])]


def issue(who: Settings | Client, window_id: int) -> dict[str, Any]:
    """Issues the statements of a closed window, all or none; again changes nothing. Raises MoneyRefused."""
    return dict(calls.call(who, "issue_statements", patient=True, p_revenue_window_id=window_id))


def of_window(who: Settings | Client, window_id: int, *, creator_id: int | None = None) -> Iterator[Statement]:
    """The issued statements of a window in the order of their numbers, or one creator's."""
    where: dict[str, Any] = {"revenue_window_id": window_id}
    if creator_id is not None:
        where["creator_id"] = creator_id
    rows = reading.read(who, "statements", _FIELDS, key="creator_id", where=where)
    videos: dict[int, list[VideoLine]] = {}
    for row in reading.read(who, "video_rev_shares", _SHARE_FIELDS, key="video_id", where=where):
        videos.setdefault(row["creator_id"], []).append(_video_line(row))
    for row in rows:
        lines = tuple(videos.get(row["creator_id"], ()))
        yield Statement(row["number"], row["creator_id"], row["figures"], lines)


def _video_line(row: dict[str, Any]) -> VideoLine:
    counted = row["eng_units"] if row["counted_units"] is None else row["counted_units"]
    return VideoLine(row["video_id"], round(row["eng_units"]), counted, row["eis_avg"], row["allocated_cents"])


def to_csv(statement: Statement) -> bytes:
    """One row a step and one a video: kind, item, units, counted units, EIS, cents."""
    out = io.StringIO(newline="")
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(("statement", "kind", "item", "units", "counted_units", "eis", "cents", "currency"))
    for label, cents in statement.steps():
        rows.writerow((statement.number, "step", label, "", "", "", cents, statement.currency))
    for video in statement.videos:
        figures = (video.units, f"{video.counted_units:.3f}", "" if video.eis is None else f"{video.eis:.2f}")
        rows.writerow((statement.number, "video", video.video_id, *figures, video.cents, statement.currency))
    return out.getvalue().encode()


def overview_csv(statements: Sequence[Statement]) -> bytes:
    """One row a creator with every step, for the platform's own books."""
    names = [name for name, _ in STEPS] + [_SUM[0]]
    out = io.StringIO(newline="")
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(("statement", "creator_id", "currency", *names))
    for statement in statements:
        rows.writerow(
            (statement.number, statement.creator_id, statement.currency, *(statement.figures[name] for name in names))
        )
    return out.getvalue().encode()
