"""`./run score`: scores closed days and keeps the result.

A model without weights scores each day from that day and the days before. A model that weighs viewers looks at a whole
window and the weeks before it: the days that are asked for together are weighed together, and each day's rows say over
which window that was. Only a window that was weighed as a whole can be closed (docs/decisions/0051).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import duckdb
import pyarrow as pa
import typer

from bot_account_detection.evidence import cluster_evidence
from bot_account_detection.thresholds import THRESHOLDS
from core.engine import connect, engine_refusals
from core.errors import BadInput
from core.settings import Settings, load_settings
from core.terminal import progress
from core.timewindows import DAY, EARLIEST, Window, parse_utc
from viewer_activity.creators import LatestScores
from viewer_activity.explanations import explain
from viewer_activity.gateway import Scored, Store, Weighed, latest_scores, open_store
from viewer_activity.kept_weights import kept_weights
from viewer_activity.model import DEFAULT, MODELS, model_named, score_window

#: With --all, days that wait to be scored are weighed in windows of at most this many.
WEEK_DAYS = 7


@dataclass(frozen=True, slots=True)
class DayDone:
    """One day's outcome; `scored` is False when it had been scored before."""

    day: Window
    videos: int
    events: int
    scored: bool


OnDay = Callable[[DayDone], None]


def score_days(
    settings: Settings,
    days: Sequence[Window],
    *,
    model: str = DEFAULT,
    again: bool = False,
    on_day: OnDay = lambda day: None,
) -> list[DayDone]:
    """Scores `days` (whole UTC days, in order); where the model weighs viewers, days that follow one another are
    weighed as one window. See `score_windows`.
    """
    _refuse_open_days(days)
    return score_windows(settings, _stretches(days), model=model, again=again, on_day=on_day)


def score_windows(
    settings: Settings,
    windows: Sequence[Window],
    *,
    model: str = DEFAULT,
    again: bool = False,
    on_day: OnDay = lambda day: None,
) -> list[DayDone]:
    """Scores each window (whole UTC days that are over) that has no scores yet, or every one of them `again`.

    A day, or a window where the model weighs viewers, is written as a whole before the next is begun, so a run that
    was cut short goes on where it stopped. Days of closed windows are final and passed over. Raises BadInput for a
    day that is not over and for a window that lies partly in a closed one, ConfigError or StackError when the
    database can not be reached.
    """
    rule = model_named(model)
    for window in windows:
        _refuse_open_days(window.days())
    with open_store(settings) as store, connect(settings) as con, engine_refusals():
        run = _Run(store, con, model, again, store.final_windows(model), on_day)
        if rule.weighs:
            return [day for window in windows for day in run.together(window)]
        return run.one_by_one([day for window in windows for day in window.days()])


@dataclass(slots=True)
class _Run:
    store: Store
    con: duckdb.DuckDBPyConnection
    model: str
    again: bool
    final: list[Window]
    on_day: OnDay

    def one_by_one(self, days: list[Window]) -> list[DayDone]:
        """Each day from that day and the days before."""
        score = model_named(self.model).by_day
        assert score is not None
        kept = {mark.day for mark in self.store.marks(self.model)}
        todo = [day for day in days if (self.again or day not in kept) and not _inside(day, self.final)]
        if todo:
            videos = self._people()
        latest: LatestScores | None = None
        done: list[DayDone] = []
        for day in days:
            if day not in todo:
                # The next day's past now holds scores that were read from nowhere yet.
                latest = None
                done.append(self._told(DayDone(day, 0, 0, scored=False)))
                continue
            latest = latest or latest_scores(self.store, videos, self.model, day.start)
            events = self.store.events(day)
            self.con.register("events", events)
            scores = score(self.con, day, latest=latest)
            self.store.write(Scored(day, self.model, scores, {day: events.num_rows}, leads=self.model == DEFAULT))
            done.append(self._told(DayDone(day, scores.num_rows, events.num_rows, scored=True)))
        return done

    def together(self, window: Window) -> list[DayDone]:
        """The viewers weighed over the window and the weeks before it, then each of its days scored."""
        days = window.days()
        if not self._is_asked(window, days):
            return [self._told(DayDone(day, 0, 0, scored=False)) for day in days]
        videos = self._people()
        events = self._events(window)
        labels = self.store.labels()
        found = score_window(self.con, self.model, window, seen=window, videos=videos, labels=labels)
        weights, acts, way = found.in_process()
        explained = explain(self.con, weights, acts)
        weighed = Weighed(
            weights=kept_weights(self.con, weights, acts.log.users()),
            explanations=explained.videos,
            reasons=explained.reasons,
            clusters=cluster_evidence(self.con, weights, way),
        )
        self.store.write(Scored(window, self.model, found.days, events, weighed, leads=self.model == DEFAULT))
        starts = found.days["window_start"].to_pylist()
        return [self._told(DayDone(day, starts.count(day.start), events[day], scored=True)) for day in days]

    def _is_asked(self, window: Window, days: list[Window]) -> bool:
        final = [day for day in days if _inside(day, self.final)]
        if len(final) == len(days):
            return False
        if final:
            raise BadInput(
                f"{final[0].start:%Y-%m-%d} belongs to a closed window, whose scores are final; leave its days out"
            )
        if self.again:
            return True
        weighed = {mark.day: mark.weighed for mark in self.store.marks(self.model) if not mark.is_stale}
        return any(weighed.get(day) != window for day in days)

    def _people(self) -> pa.Table:
        videos = self.store.videos()
        self.con.register("users", self.store.users())
        self.con.register("videos", videos)
        return videos

    def _events(self, window: Window) -> dict[Window, int]:
        """The window's events and those of the weeks before it as the relation `events`, a day at a time, so that
        the engine may spill them; how many there are on each day of the window.
        """
        since = max(EARLIEST, window.start - timedelta(microseconds=THRESHOLDS.lookback_us))
        counts = {}
        for number, day in enumerate(Window(since, window.end).days()):
            rows = self.store.events(day)
            self.con.register("rows", rows)
            # Written by the engine, so that no other Arrow table than this day's is held.
            self.con.execute(
                f"{'insert into events' if number else 'create or replace temp table events as'} from rows"
            )
            self.con.unregister("rows")
            if day.start >= window.start:
                counts[day] = rows.num_rows
        return counts

    def _told(self, done: DayDone) -> DayDone:
        self.on_day(done)
        return done


def days_with_events(store: Store, *, now: datetime | None = None) -> list[Window]:
    """Every UTC day that is over, from the first event's to the last event's."""
    span = store.event_span()
    if span is None:
        return []
    first, last = (_midnight(moment) for moment in span)
    end = min(last + DAY, _midnight(now or datetime.now(UTC)))
    return Window(first, end).days() if first < end else []


def weeks(days: Sequence[Window]) -> list[Window]:
    """`days` as windows of at most a week, counted back from the last one, so that the latest is a whole week."""
    found = []
    for stretch in _stretches(days):
        end = stretch.end
        while end > stretch.start:
            start = max(stretch.start, end - WEEK_DAYS * DAY)
            found.append(Window(start, end))
            end = start
    return sorted(found, key=lambda window: window.start)


def _stretches(days: Iterable[Window]) -> list[Window]:
    """Days that follow one another as one window."""
    found: list[Window] = []
    for day in days:
        if found and found[-1].end == day.start:
            found[-1] = Window(found[-1].start, day.end)
        else:
            found.append(day)
    return found


def _inside(day: Window, windows: Sequence[Window]) -> bool:
    return any(window.start <= day.start and day.end <= window.end for window in windows)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _refuse_open_days(days: Iterable[Window]) -> None:
    now = datetime.now(UTC)
    for day in days:
        if not day.is_whole_days or day.end - day.start != timedelta(days=1):
            raise BadInput(f"{day} is not one whole UTC day")
        if day.end > now:
            raise BadInput(f"{day.start:%Y-%m-%d} is not over yet; a day is scored once, after its end")


def _windows_asked(
    store: Store, start: str | None, end: str | None, day: str | None, all_days: bool, *, model: str, again: bool
) -> tuple[list[Window], int]:
    """The windows to score, and how many of the days that were meant are not in them because they are done."""
    if sum((start is not None or end is not None, day is not None, all_days)) != 1:
        raise BadInput("say which days: --day DATE, or --from DATE --to DATE, or --all")
    if all_days:
        # A day that waits is weighed with the other days that wait; what was weighed stays as it is.
        kept = set() if again else {mark.day for mark in store.marks(model)}
        final = store.final_windows(model)
        days = days_with_events(store)
        waiting = [one for one in days if one not in kept and not _inside(one, final)]
        return weeks(waiting), len(days) - len(waiting)
    if day is not None:
        first = parse_utc(day, name="--day")
        window = Window(first, first + DAY)
    else:
        if start is None or end is None:
            raise BadInput("--from and --to go together")
        window = Window(parse_utc(start, name="--from"), parse_utc(end, name="--to"))
    if not window.is_whole_days:
        raise BadInput("days begin at midnight UTC: give dates such as 2026-11-01")
    return [window], 0


def main(
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="The first day (UTC).")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="The day after the last.")] = None,
    day: Annotated[str | None, typer.Option("--day", metavar="DATE", help="One day.")] = None,
    all_days: Annotated[bool, typer.Option("--all", help="Every day that has events and is over.")] = False,
    model: Annotated[str, typer.Option(help=f"The scoring model: {', '.join(sorted(MODELS))}.")] = DEFAULT,
    again: Annotated[bool, typer.Option("--again", help="Also days that have been scored.")] = False,
    stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None,
) -> None:
    """Score closed days: the events of each UTC day become scores of its videos, written as a whole.

    Under fairshare_v1 the viewers are weighed over the days that are asked for together, and the weeks before them:
    score the days of a revenue window with one --from and --to before you close it. --all weighs the days that wait
    in windows of at most a week.

    A day is scored once and kept; days that are done are passed over unless --again, and days of closed windows are
    final. A video gets a score for a day on which others than its creator did something with it, and
    videos.eis_current follows its latest score under fairshare_v1, or under the only model there is.
    Interrupted, the same command goes on with the first day that is not done.
    """
    settings = load_settings(stack)
    model_named(model)
    with open_store(settings) as store:
        windows, passed = _windows_asked(store, start, end, day, all_days, model=model, again=again)
    days = sum(len(window.days()) for window in windows)
    with progress("scoring", total=days) as advance:
        done = score_windows(
            settings,
            windows,
            model=model,
            again=again,
            on_day=lambda result: advance(note=f"{result.day.start:%Y-%m-%d}, {result.videos} videos"),
        )
    fresh = [result for result in done if result.scored]
    videos, events = sum(result.videos for result in fresh), sum(result.events for result in fresh)
    typer.echo(
        f"scored {len(fresh)} days ({passed + len(done) - len(fresh)} were done): {videos} video days, {events} events"
    )
