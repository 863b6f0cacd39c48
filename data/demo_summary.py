"""The demo's outcome in words that a manager understands: who was paid, what did not count, and whether it adds up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bot_account_detection.reasons import BY_CODE
from core.timewindows import Window
from data.attack_report import AttackGain
from data.demo_accounts import LOG_INS, Discount, WindowEvents
from revenue_split.ledger_checks import Finding
from revenue_split.policy import PoolInputs
from revenue_split.report import count_paid, creators_words, money, reason_words
from revenue_split.windows import WindowPreview

TOP = 5
#: Made-up revenue, and what of it goes elsewhere, in cents per 1,000 events.
GROSS_PER_1000, TAXES_PER_1000, REFUNDS_PER_1000, COSTS_PER_1000 = 4_000, 200, 40, 160


@dataclass(frozen=True)
class Summary:
    """Everything that is printed; `done`: the database's answer to the close, `broken`: invariants that do not hold."""

    window: Window
    inputs: PoolInputs
    events: WindowEvents
    figures: WindowPreview
    done: dict[str, Any]
    broken: list[Finding]
    gains: list[AttackGain]
    discounts: list[Discount]
    seconds: dict[str, float]
    password: str
    use_caps: bool


def made_up_revenue(events: int) -> PoolInputs:
    """The demo's revenue, from the number of events alone; the summary says that it is made up."""
    return PoolInputs(
        gross_cents=events * GROSS_PER_1000 // 1000,
        taxes_cents=events * TAXES_PER_1000 // 1000,
        refunds_cents=events * REFUNDS_PER_1000 // 1000,
        costs_cents=events * COSTS_PER_1000 // 1000,
    )


def print_summary(summary: Summary) -> None:
    """Prints the summary to standard output."""
    out = Console(highlight=False, soft_wrap=True)
    done, currency = summary.done, summary.done["currency"]
    out.print(f"\n[bold]Revenue window {summary.window}[/bold], policy {summary.figures.policy.name}")
    out.print(
        f"{summary.events.total:,} events; revenue made up at {money(GROSS_PER_1000, currency)} for 1,000: "
        f"{money(summary.inputs.gross_cents, currency)} gross"
    )
    parts = Table(box=None, show_header=False, padding=(0, 2))
    for name, cents in (
        ("pool", done["pool_cents"]),
        ("paid: available now", done["pay_now_cents"]),
        ("paid: in safety reserve, released later", done["reserve_cents"]),
        ("carried to the next window (under the minimum)", done["carried_cents"]),
        ("platform fee", done["platform_fee_cents"]),
        ("residual: nobody may take it yet", done["residual_cents"]),
    ):
        parts.add_row(name, money(cents, currency), style="bold" if name == "pool" else None)
    parts.columns[1].justify = "right"
    out.print(parts)
    _sum_check(out, summary)
    _top(out, summary, currency)
    _not_counted(out, summary, currency)
    if summary.gains:
        _attacks(out, summary, currency)
    _times(out, summary)
    out.print("\n[bold]Log-ins[/bold] (this machine only), password for all: " + summary.password)
    for role, email in LOG_INS.items():
        out.print(f"  {role:9} {email}")


def _sum_check(out: Console, summary: Summary) -> None:
    done = summary.done
    total = sum(done[f"{part}_cents"] for part in ("pay_now", "reserve", "carried", "platform_fee", "residual"))
    verdict = "adds up to the cent" if total == done["pool_cents"] else f"DOES NOT ADD UP: {total}"
    wrong = ", ".join(f"{found.invariant.code} ({len(found.rows)} rows)" for found in summary.broken)
    books = f"THE BOOKS ARE WRONG: {wrong}" if wrong else "all invariants of the books hold"
    out.print(f"  sum check: {verdict}; {books}")


def _top(out: Console, summary: Summary, currency: str) -> None:
    creators = summary.figures.result.creators
    ranked = creators.sort_by([("capped_cents", "descending"), ("creator_id", "ascending")])
    out.print(
        f"\n[bold]Top creators[/bold] ({count_paid(summary.figures):,} of {creators_words(creators.num_rows)} "
        "were allocated something)"
    )
    for row in ranked.slice(0, TOP).to_pylist():
        out.print(f"  creator {row['creator_id']:<9} {money(row['capped_cents'], currency):>16}")


def _not_counted(out: Console, summary: Summary, currency: str) -> None:
    out.print("\n[bold]What did not count[/bold]")
    out.print(f"  {summary.events.own:,} events of creators on their own videos")
    reasons = Table(box=None, padding=(0, 2))
    for name in ("counted in part or not at all", "videos", "events", "units less"):
        reasons.add_column(name, justify="right" if reasons.columns else "left")
    for one in summary.discounts:
        reasons.add_row(BY_CODE[one.code].title, f"{one.videos:,}", f"{one.events:,}", f"{one.units:,.0f}")
    out.print(reasons)
    withheld = summary.figures.result.withheld
    if withheld:
        table = Table(box=None, padding=(0, 2))
        for name in ("why", "creators", "less than share"):
            table.add_column(name, justify="left" if name == "why" else "right")
        for reason, part in withheld.items():
            table.add_row(reason_words(reason), f"{part.creators:,}", money(part.cents, currency) if part.cents else "")
        out.print(table)
    if not summary.use_caps:
        out.print("  imported accounts have no KYC levels; their limits are off in this demo")


def _attacks(out: Console, summary: Summary, currency: str) -> None:
    takers = [gain for gain in summary.gains if not gain.harms]
    out.print("\n[bold]What each attack got[/bold] (against the same week without any attack)")
    _gains(out, takers, lambda paid, clean: money(paid - clean, currency))
    if harmful := [gain for gain in summary.gains if gain.harms]:
        out.print("\n[bold]What became of their victims' pay[/bold]")
        _gains(out, harmful, lambda paid, clean: f"{100 * (paid - clean) / clean:+.1f} %" if clean else "had none")


def _gains(out: Console, gains: Sequence[AttackGain], words: Callable[[int, int], str]) -> None:
    # Narrow enough for a window of 80 columns: no figure may be cut off.
    table = Table(box=None, padding=(0, 1))
    for name in ("attack", "accounts", "events", "fairshare_v1", "classic_v1", "pro-rata"):
        table.add_column(name, justify="left" if name == "attack" else "right", no_wrap=True)
    for gain in gains:
        cells = (words(paid, clean) for paid, clean in zip(gain.paid_cents, gain.clean_cents, strict=True))
        table.add_row(gain.name, f"{gain.accounts:,}", f"{gain.events:,}", *cells)
    out.print(table)


def _times(out: Console, summary: Summary) -> None:
    out.print("\n[bold]Time[/bold]")
    for name, seconds in summary.seconds.items():
        out.print(f"  {name:45} {seconds:6.1f} s")
    out.print(f"  {'together':45} {sum(summary.seconds.values()):6.1f} s")
