"""Half-open windows `[start, end)` in UTC, and the days inside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.errors import BadInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: No time of ours lies outside: what does is a slip of the pen, and days without end to walk through.
EARLIEST = EPOCH
LATEST = datetime(2100, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
DAY = timedelta(days=1)
DAY_US = DAY // _MICROSECOND


def to_us(moment: datetime) -> int:
    """Microseconds since 1970-01-01T00:00Z, exact (float seconds would lose the last digit)."""
    return (moment - EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """The UTC moment `microseconds` after 1970-01-01T00:00Z."""
    return EPOCH + timedelta(microseconds=microseconds)


def parse_utc(text: str, *, name: str = "time") -> datetime:
    """Reads an ISO 8601 date or date-time from EARLIEST to LATEST; without an offset it is UTC. Raises BadInput."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{name} {text!r} is not an ISO date or date-time such as 2026-11-01") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if not EARLIEST <= moment <= LATEST:
        raise BadInput(f"{name} {text!r} is not between {EARLIEST:%Y-%m-%d} and {LATEST:%Y-%m-%d}")
    return moment.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """`[start, end)`, both aware and in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise BadInput("a window needs times with a time zone")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if self.start >= self.end:
            raise BadInput(f"the window's start {self.start.isoformat()} must be before its end {self.end.isoformat()}")

    @property
    def start_us(self) -> int:
        return to_us(self.start)

    @property
    def end_us(self) -> int:
        return to_us(self.end)

    @property
    def is_whole_days(self) -> bool:
        """Both ends are at midnight UTC, so that it is a sum of scored days."""
        return self.start_us % (86_400 * 10**6) == 0 and self.end_us % (86_400 * 10**6) == 0

    def days(self) -> list[Window]:
        """The window cut at every midnight UTC; the first and the last part may be shorter than a day."""
        parts = []
        start = self.start
        while start < self.end:
            midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
            end = min(self.end, midnight + DAY)
            parts.append(Window(start, end))
            start = end
        return parts

    def __str__(self) -> str:
        if self.is_whole_days:
            return f"{self.start:%Y-%m-%d} to {self.end:%Y-%m-%d}"
        return f"{self.start.isoformat()} to {self.end.isoformat()}"
