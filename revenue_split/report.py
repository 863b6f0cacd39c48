"""The figures of a window as lines of text for the command line."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from bot_account_detection.reasons import BY_CODE, COUNTED

if TYPE_CHECKING:
    from revenue_split.windows import WindowPreview

TOP_CREATORS = 5
_REASONS = {
    "kyc_level_0": "identity not verified (KYC level 0)",
    "kyc_level_1": "over the limit of KYC level 1",
    "kyc_level_2": "over the limit of KYC level 2",
    "kyc_unknown": "KYC level unknown, withheld until it is known",
    "likely_bot": "likely bot, no value units",
    "kyc_level_0_or_unknown": "identity not verified, or KYC level unknown",
    "over_limit_of_kyc": "over the limit of their KYC level",
    "no_value_units": "no value units: nothing of theirs counted",
}
#: What takes units without being a reason that stands on an account; all others are those of the explanations.
_UNCOUNTED = {
    COUNTED: "From accounts that count, for what is not known of them yet",
    "viewer_budget": "Over one viewer's part (budgets)",
    "not_explained": "Not told by reason: weighed over other days, or reversed",
}


def money_text(cents: int) -> str:
    """`-1,234.56`, exact."""
    return f"{'-' if cents < 0 else ''}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def money(cents: int, currency: str) -> str:
    """`money(123456, "USD")` is `1,234.56 USD`; exact."""
    return f"{money_text(cents)} {currency}"


def reason_words(reason: str) -> str:
    """Why creators get less than their share, in words."""
    return _REASONS.get(reason, reason.replace("_", " "))


def uncounted_words(reason: str) -> str:
    """Why units did not count, in the words of docs/reasons.md."""
    return _UNCOUNTED.get(reason) or BY_CODE[reason].title


def creators_words(count: int) -> str:
    """`1 creator`, `2 creators`."""
    return "1 creator" if count == 1 else f"{count:,} creators"


def count_paid(figures: WindowPreview) -> int:
    """How many creators are allocated something."""
    return int(pc.sum(pc.greater(figures.result.creators["capped_cents"], 0)).as_py() or 0)


def preview_lines(figures: WindowPreview) -> list[str]:
    """Pool, parts, who was capped, and the largest allocations."""
    result, currency = figures.result, figures.currency
    mean = "none" if figures.mean_eis is None else f"{float(figures.mean_eis):.1f}"
    lines = [
        f"preview of {figures.window}, {figures.kind}, policy {figures.policy.name}, mean EIS {mean}",
        _line("gross", figures.inputs.gross_cents, currency),
        _line("pool", result.pool_cents, currency),
        _line("allocated", result.allocated_cents, currency)
        + f" to {count_paid(figures):,} of {creators_words(result.creators.num_rows)}",
        _line("  platform fee", figures.total_cents("platform_fee_cents"), currency),
        _line("  reserve", figures.total_cents("reserve_cents"), currency),
        _line("  available", figures.total_cents("pay_now_cents"), currency),
        _line("  carried forward", figures.total_cents("carried_cents"), currency),
        _line("residual", result.residual_cents, currency),
    ]
    for reason, part in result.withheld.items():
        less = f", {money(part.cents, currency)} less than their share" if part.cents else ""
        lines.append(f"  {reason_words(reason)}: {creators_words(part.creators)}{less}")
    top = result.creators.sort_by([("capped_cents", "descending"), ("creator_id", "ascending")])
    best = [row for row in top.slice(0, TOP_CREATORS).to_pylist() if row["capped_cents"]]
    return lines + [f"  creator {row['creator_id']}: {money(row['capped_cents'], currency)}" for row in best]


def closed_lines(done: dict[str, Any]) -> list[str]:
    """What the close answered."""
    currency = done["currency"]
    verb = "was closed before, nothing changed" if done["replayed"] else "is closed"
    window = f"window {done['revenue_window_id']} (version {done['version']})"
    return [
        f"{window} {verb}: {creators_words(done['creators'])}, {done['videos']:,} videos",
        _line("pool", done["pool_cents"], currency),
        _line("allocated", done["allocated_cents"], currency),
        _line("  platform fee", done["platform_fee_cents"], currency),
        _line("  reserve", done["reserve_cents"], currency),
        _line("  available", done["pay_now_cents"], currency),
        _line("  carried forward", done["carried_cents"], currency),
        _line("residual", done["residual_cents"], currency),
        _line("released from earlier windows", done["released_carry_cents"], currency),
    ]


def platform_lines(report: dict[str, Any]) -> list[str]:
    """The platform's report: pool, parts, residual, what counted and what did not, by reason."""
    currency = report["currency"]
    days = f"{report['window_start'][:10]} to {report['window_end'][:10]}"
    rules = f"{report['policy_name']}@{report['policy_version']}"
    lines = [
        f"report of {days}, policy {rules}, version {report['version']}",
        _line("pool", report["pool_cents"], currency),
        _line("allocated", report["allocated_cents"], currency)
        + f" to {report['paid_creators']:,} of {creators_words(report['creators'])}",
        _line("  paid now", report["pay_now_cents"], currency),
        _line("  platform fee", report["platform_fee_cents"], currency),
        _line("  reserve", report["reserve_cents"], currency),
        _line("  carried forward", report["carried_cents"], currency),
        _line("residual", report["residual_cents"], currency),
        _line("paid from earlier carry", report["released_carry_cents"], currency),
        *_unit_lines(report),
    ]
    for part in report["withheld"]:
        less = f", {money(part['cents'], currency)} less than their share" if part["cents"] else ""
        lines.append(f"  {reason_words(part['reason'])}: {creators_words(part['creators'])}{less}")
    return lines


def _unit_lines(report: dict[str, Any]) -> list[str]:
    """Raw units down to what counted; in decimals, so that the printed parts sum to the printed whole."""
    raw, counted = (Decimal(str(report[name])) for name in ("raw_units", "counted_units"))
    lines = [_unit_line("units of engagement", raw)]
    lines += [
        _unit_line(f"  {uncounted_words(part['reason'])}", -Decimal(str(part["units"])))
        for part in report["not_counted"]
    ]
    lines.append(_unit_line("units that counted", counted))
    if report["unpaid_units"]:
        lines.append(_unit_line("  of no value (likely bot, or a score of 0)", Decimal(str(report["unpaid_units"]))))
    return lines


def _unit_line(name: str, units: Decimal) -> str:
    return f"{name:<62}{units:>16,.3f}"


def _line(name: str, cents: int, currency: str) -> str:
    return f"{name:<30}{money(cents, currency):>24}"
