"""Tells creators by mail that a statement is there, once each."""

from __future__ import annotations

from typing import Any

from core.settings import Settings
from revenue_split import calls
from revenue_split.mail import Mailer, Message
from revenue_split.report import money_text
from revenue_split.statements import STEPS


def send_all(settings: Settings, sender: Mailer, window_id: int) -> int:
    """Mails every statement of the window that has not been mailed; returns how many.

    What was sent and not yet noted when a run was cut short is sent again under the same key, which sends nothing.
    """
    sent, after = 0, ""
    while True:
        page = calls.call(settings, "unmailed_statements", p_revenue_window_id=window_id, p_after=after)
        for row in page:
            sender.send(message_of(row["number"], row["email"], row["figures"]))
            calls.call(settings, "statement_was_mailed", p_number=row["number"])
            sent, after = sent + 1, row["number"]
        if not page:
            return sent


def message_of(number: str, email: str, figures: dict[str, Any]) -> Message:
    """The mail about one statement: its steps, and where the files are."""
    currency = figures["currency"]
    steps = [f"{label}: {money_text(figures[name])} {currency}" for name, label in STEPS if figures[name]]
    text = "\n".join(
        [
            f"Your statement {number} for {figures['first_day']} to {figures['last_day']} (UTC) is there.",
            "",
            *steps,
            f"Available: {money_text(figures['available_cents'])} {currency}",
            "",
            "It is on your dashboard, as PDF and as CSV.",
        ]
    )
    return Message(key=f"statement:{number}", to=email, subject=f"Your statement {number}", text=text)
