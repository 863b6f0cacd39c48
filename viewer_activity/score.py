"""`./run score`: scores closed days and keeps the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from core.engine import connect, engine_refusals
from core.errors import BadInput
from core.settings import Settings, load_settings
from core.terminal import progress
from core.timewindows import DAY, Window, parse_utc
from viewer_activity.classic_v1 import NAME as CLASSIC_V1
from viewer_activity.creators import LatestScores
from viewer_activity.gateway import DayScores, Store, latest_scores, open_store
from viewer_activity.model import scorer


@dataclass(frozen=True, slots=True)
class DayDone:
    """One day's outcome; `scored` is False when it had been scored before."""

    day: Window
    videos: int
    events: int
    scored: bool


def score_days(
    settings: Settings,
    days: list[Window],
    *,
    model: str = CLASSIC_V1,
    again: bool = False,
    on_day: Callable[[DayDone], None] = lambda day: None,
) -> list[DayDone]:
    """Scores each of `days` (whole UTC days, in order) that has no scores yet, or every one of them `again`.

    A day is written as a whole before the next is begun, so a run that was cut short goes on where it stopped.
    Raises BadInput for a day that is not over, ConfigError or StackError when the database can not be reached.
    """
    score = scorer(model)
    _refuse_open_days(days)
    done: list[DayDone] = []
    with open_store(settings) as store, connect(settings) as con, engine_refusals():
        kept = store.scored_days(model)
        todo = [day for day in days if again or day not in kept]
        if todo:
            users, videos = store.users(), store.videos()
            con.register("users", users)
            con.register("videos", videos)
        latest: LatestScores | None = None
        for day in days:
            if day not in todo:
                # The next day's past now holds scores that were read from nowhere yet.
                latest = None
                result = DayDone(day, 0, 0, scored=False)
            else:
                latest = latest or latest_scores(store, videos, model, day.start)
                events = store.events(day)
                con.register("events", events)
                scores = score(con, day, latest=latest)
                store.write_day(DayScores(day, model, scores, events.num_rows))
                result = DayDone(day, scores.num_rows, events.num_rows, scored=True)
            done.append(result)
            on_day(result)
    return done


def days_with_events(store: Store, *, now: datetime | None = None) -> list[Window]:
    """Every UTC day that is over, from the first event's to the last event's."""
    span = store.event_span()
    if span is None:
        return []
    first, last = (_midnight(moment) for moment in span)
    end = min(last + DAY, _midnight(now or datetime.now(UTC)))
    return Window(first, end).days() if first < end else []


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _refuse_open_days(days: list[Window]) -> None:
    now = datetime.now(UTC)
    for day in days:
        if not day.is_whole_days or day.end - day.start != timedelta(days=1):
            raise BadInput(f"{day} is not one whole UTC day")
        if day.end > now:
            raise BadInput(f"{day.start:%Y-%m-%d} is not over yet; a day is scored once, after its end")


def _days_asked(store: Store, start: str | None, end: str | None, day: str | None, all_days: bool) -> list[Window]:
    if sum((start is not None or end is not None, day is not None, all_days)) != 1:
        raise BadInput("say which days: --day DATE, or --from DATE --to DATE, or --all")
    if all_days:
        return days_with_events(store)
    if day is not None:
        first = parse_utc(day, name="--day")
        window = Window(first, first + DAY)
    else:
        if start is None or end is None:
            raise BadInput("--from and --to go together")
        window = Window(parse_utc(start, name="--from"), parse_utc(end, name="--to"))
    if not window.is_whole_days:
        raise BadInput("days begin at midnight UTC: give dates such as 2026-11-01")
    return window.days()


def main(
    start: Annotated[str | None, typer.Option("--from", metavar="DATE", help="The first day (UTC).")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="DATE", help="The day after the last.")] = None,
    day: Annotated[str | None, typer.Option("--day", metavar="DATE", help="One day.")] = None,
    all_days: Annotated[bool, typer.Option("--all", help="Every day that has events and is over.")] = False,
    model: Annotated[str, typer.Option(help="The scoring model.")] = CLASSIC_V1,
    again: Annotated[bool, typer.Option("--again", help="Also days that have been scored.")] = False,
    stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None,
) -> None:
    """Score closed days: the events of each UTC day become scores of its videos, written as a whole.

    A day is scored once and kept; days that are done are passed over unless --again. A video gets a score for a
    day on which others than its creator did something with it, and videos.eis_current follows its latest score.
    Interrupted, the same command goes on with the first day that is not done.
    """
    settings = load_settings(stack)
    scorer(model)
    with open_store(settings) as store:
        days = _days_asked(store, start, end, day, all_days)
    with progress("scoring", total=len(days)) as advance:
        done = score_days(
            settings,
            days,
            model=model,
            again=again,
            on_day=lambda result: advance(note=f"{result.day.start:%Y-%m-%d}, {result.videos} videos"),
        )
    fresh = [result for result in done if result.scored]
    videos, events = sum(result.videos for result in fresh), sum(result.events for result in fresh)
    typer.echo(f"scored {len(fresh)} days ({len(done) - len(fresh)} were done): {videos} video days, {events} events")
