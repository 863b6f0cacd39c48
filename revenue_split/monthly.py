"""`./run monthly YYYY-MM`: a month from its events to its statements, once, however often it is started.

Every step is kept when it is done and passed over when it is done already: missing days are scored, the window is
closed by one call with a key made of month and policy, statements are issued all or none. A run that was cut short goes
on where it stopped, and a run after the last step changes nothing and writes the same files again.
"""

from __future__ import annotations

import calendar
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from core.errors import BadInput
from core.settings import Settings, load_settings
from core.terminal import progress
from core.timewindows import DAY, EARLIEST, LATEST, Window
from revenue_split import calls, policies, reading, revenue_inputs, statements, windows
from revenue_split.policy import DEFAULT_POLICY, Policy, PoolInputs
from revenue_split.report import closed_lines, platform_lines, preview_lines
from revenue_split.revenue_inputs import Recorded
from revenue_split.statement_pdf import to_pdf
from viewer_activity.score import score_days

#: Told after each step that is worth a line.
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Month:
    """A calendar month in UTC, as `YYYY-MM`."""

    text: str
    window: Window

    @classmethod
    def parse(cls, text: str) -> Month:
        """Raises BadInput for anything but a month from 1970 to 2099."""
        found = re.fullmatch(r"(\d{4})-(\d{2})", text)
        if not found or not 1 <= int(found[2]) <= 12 or not EARLIEST.year <= int(found[1]) < LATEST.year:
            raise BadInput(f"{text!r} is not a month such as 2026-10")
        year, month = int(found[1]), int(found[2])
        start = datetime(year, month, 1, tzinfo=UTC)
        return cls(text, Window(start, start + calendar.monthrange(year, month)[1] * DAY))


@dataclass(frozen=True, slots=True)
class Run:
    """What a monthly run did. `closed` is None after a dry run."""

    scored_days: int
    closed: dict[str, Any] | None
    statements: int


def run_month(
    settings: Settings,
    month: Month,
    plan: Recorded,
    *,
    dry_run: bool = False,
    out: Path | None = None,
    use_caps: bool = True,
    say: Say = lambda line: None,
) -> Run:
    """Scores missing days, closes the month once, issues its statements, and writes the files to `out` if it is given.

    A dry run scores (scores are kept figures, no money), previews and stops. Raises BadInput for a month that is not
    over, AwaitingApproval while a second admin has to approve, and whatever else a close may refuse.
    """
    if month.window.end > datetime.now(UTC):
        raise BadInput(f"{month.text} is not over yet")
    rules = policies.load(settings, plan.policy)
    rules = rules if use_caps else windows.without_caps(rules)
    key = _key(settings, month, rules, plan.currency)
    done = None
    if not dry_run:
        done = windows.closed_before(settings, key, month.window, plan.inputs, rules, currency=plan.currency)
    scored = 0 if done else _score(settings, month.window, rules.model, say)
    if done is None:
        figures = windows.preview(settings, month.window, plan.inputs, rules, use_caps=use_caps, currency=plan.currency)
        say("\n".join(preview_lines(figures)))
        if dry_run:
            return Run(scored, None, 0)
        done = windows.close(settings, figures, key)
    say("\n".join(closed_lines(done)))
    issued = statements.issue(settings, done["revenue_window_id"])
    say(f"{issued['statements']:,} statements {'were issued before' if issued['replayed'] else 'are issued'}")
    report = platform_report(settings, done["revenue_window_id"])
    say("\n".join(platform_lines(report)))
    if out is not None:
        write_files(settings, done["revenue_window_id"], report, out)
        say(f"statements and report are in {out}")
    return Run(scored, done, issued["statements"])


def platform_report(settings: Settings, window_id: int) -> dict[str, Any]:
    """Pool, paid, fee, reserve, residual, units counted and not by reason, and what was withheld by reason.

    `raw_units` are `counted_units` and the units of `not_counted`, exactly, to a thousandth of a unit.
    """
    report: dict[str, Any] = calls.call(settings, "platform_figures", p_revenue_window_id=window_id)
    # A whole number is `250.0` by one way to the database and `250` by the other: here it is always the same.
    whole = {name: int(report[name]) for name in ("raw_units", "units")}
    parts = {name: float(report[name]) for name in ("counted_units", "unpaid_units")}
    reasons = [part | {"units": float(part["units"])} for part in report["not_counted"]]
    return report | whole | parts | {"not_counted": reasons}


def write_files(settings: Settings, window_id: int, report: dict[str, Any], out: Path) -> None:
    """A PDF and a CSV a statement, all of them in one CSV, and the platform's report; each file whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    issued = list(statements.of_window(settings, window_id))
    with progress("statements", total=len(issued)) as advance:
        for statement in issued:
            _write(out / f"{statement.number}.pdf", to_pdf(statement))
            _write(out / f"{statement.number}.csv", statements.to_csv(statement))
            advance(note=statement.number)
    _write(out / "statements.csv", statements.overview_csv(issued))
    _write(out / "report.json", (json.dumps(report, indent=2, sort_keys=True) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    half = path.with_name(f".{path.name}.half")
    half.write_bytes(data)
    half.replace(path)


def _score(settings: Settings, window: Window, model: str, say: Say) -> int:
    days = window.days()
    with progress("scoring", total=len(days)) as advance:
        done = score_days(
            settings,
            days,
            model=model,
            on_day=lambda day: advance(note=f"{day.day.start:%Y-%m-%d}, {day.videos} videos"),
        )
    fresh = sum(day.scored for day in done)
    say(f"scored {fresh} days, {len(days) - fresh} were done")
    return fresh


def _key(settings: Settings, month: Month, rules: Policy, currency: str) -> str:
    """The same for the same month and policy; after a reversal the next version has a key of its own."""
    start, end = month.window.start.isoformat(), month.window.end.isoformat()
    where = {"kind": "regular", "status": "reversed", "window_start": start, "window_end": end}
    reversed_before = reading.read(settings, "revenue_windows", ("id",), key="id", where=where)
    key = windows.default_key(month.window, rules, currency=currency)
    return f"{key}:v{len(reversed_before) + 1}" if reversed_before else key


Cents = Annotated[int | None, typer.Option(min=0, metavar="N", help="Whole cents.")]


def main(
    month: Annotated[str, typer.Argument(metavar="YYYY-MM", help="A calendar month in UTC that is over.")],
    pool_cents: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="The pool itself; with a gross, the margin still binds it.")
    ] = None,
    gross_cents: Cents = None,
    taxes_cents: Cents = None,
    store_fees_cents: Cents = None,
    refunds_cents: Cents = None,
    costs_cents: Cents = None,
    policy: Annotated[
        str | None, typer.Option(metavar="NAME[@VERSION]", help="A kept policy (./run policies list).")
    ] = None,
    currency: Annotated[str, typer.Option(help="Three letters.")] = "USD",
    no_kyc_caps: Annotated[bool, typer.Option("--no-kyc-caps", help="Do not cap pay by KYC level.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Score, preview, and close nothing.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write statements (PDF, CSV) and the report there.")
    ] = None,
    stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None,
) -> None:
    """Run a month: score the days that are missing, close the month once, issue its statements, report.

    Revenue comes from the options, which are written down, or from what was recorded for the month before. Started
    again, it goes on where it stopped; after the last step it changes nothing and writes the same files.
    """
    settings = load_settings(stack)
    asked = Month.parse(month)
    given = any(
        cents is not None
        for cents in (gross_cents, taxes_cents, store_fees_cents, refunds_cents, costs_cents, pool_cents)
    )
    before = revenue_inputs.recorded(settings, asked.window)
    if given:
        rules = policies.load(settings, policy or (before.policy if before else DEFAULT_POLICY))
        inputs = PoolInputs(
            gross_cents=gross_cents or 0,
            taxes_cents=taxes_cents or 0,
            store_fees_cents=store_fees_cents or 0,
            refunds_cents=refunds_cents or 0,
            costs_cents=costs_cents or 0,
            given_pool_cents=pool_cents,
        )
        plan = Recorded(inputs, f"{rules.name}@{rules.version}", currency)
        if not dry_run and (before is None or asdict(before) != asdict(plan)):
            revenue_inputs.record(settings, asked.window, plan.inputs, rules, currency=currency)
    elif before is None:
        raise BadInput(f"no revenue is recorded for {month}: give --gross-cents and what goes off it, or --pool-cents")
    else:
        plan = before
    run_month(settings, asked, plan, dry_run=dry_run, out=out, use_caps=not no_kyc_caps, say=typer.echo)
