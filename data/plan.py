"""How much data, of which days, from which seed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.errors import BadInput
from core.timewindows import to_us
from data.world import DAY_US

#: More people, or more of one thing a person, than any machine holds in memory.
MOST = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Sizes of the honest traffic; attacks come on top. `[end - days, end)` in UTC."""

    end: datetime
    days: int = 14
    users: int = 5000
    creator_ratio: float = 0.05
    min_videos: int = 1
    max_videos: int = 12
    min_events: int = 20
    max_events: int = 4000
    min_tx: int = 0
    max_tx: int = 2
    seed: int = 1
    first_id: int = 1_000_001

    def __post_init__(self) -> None:
        rules = (
            (self.users >= 10, "--users must be at least 10"),
            (self.users <= MOST, f"--users must be at most {MOST}"),
            (0 < self.creator_ratio <= 1, "--creator-ratio must be above 0 and at most 1"),
            (0 <= self.min_videos <= self.max_videos, "--min-videos must be between 0 and --max-videos"),
            (max(self.max_videos, self.max_events, self.max_tx) <= MOST, f"no --max-… can be more than {MOST}"),
            (self.max_videos >= 1, "--max-videos must be at least 1"),
            (0 <= self.min_events <= self.max_events, "--min-events must be between 0 and --max-events"),
            (0 <= self.min_tx <= self.max_tx, "--min-tx must be between 0 and --max-tx"),
            (1 <= self.days <= 366, "--days must be between 1 and 366"),
            (self.seed >= 0, "--seed must not be negative"),
            (1 <= self.first_id <= 2**62, "--first-id must be between 1 and 2**62"),
            (self.end.tzinfo is not None, "the end needs a time zone"),
        )
        for holds, sentence in rules:
            if not holds:
                raise BadInput(sentence)

    @property
    def creators(self) -> int:
        """How many of the users publish."""
        return max(1, round(self.users * self.creator_ratio))

    @property
    def end_us(self) -> int:
        """End of the window in microseconds."""
        return to_us(self.end)

    @property
    def start_us(self) -> int:
        """Start of the window in microseconds."""
        return self.end_us - self.days * DAY_US

    @property
    def start(self) -> datetime:
        """Start of the window."""
        return self.end - timedelta(days=self.days)


def midnight(moment: datetime) -> datetime:
    """The last midnight UTC at or before `moment`."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
