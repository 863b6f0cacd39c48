"""A creator's statements: choose one, read its steps, take it away as PDF or CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from frontend import readers
from frontend.auth.visitor import Visitor
from revenue_split.statement_pdf import to_pdf
from revenue_split.statements import to_csv
from ui import cards
from ui.formats import Formats


def statements_panel(me: Visitor, numbers: Sequence[dict[str, Any]], *, fmt: Formats) -> None:
    """The issued statements; the file of one never changes."""
    if not numbers:
        return
    cards.section("Statements", "Numbered and final: the same file whenever you take it.")
    windows = {row["number"]: row["revenue_window_id"] for row in numbers}
    chosen = st.selectbox("Statement", list(windows), key="statement_number", width=320)
    found = readers.read_statement(me.client, windows[chosen], me.user_id)
    steps = found.steps()
    st.dataframe(
        {
            "step": [label for label, _ in steps],
            "amount": [
                fmt.money(cents, found.currency, signed=at not in (0, len(steps) - 1))
                for at, (_, cents) in enumerate(steps)
            ],
        },
        hide_index=True,
        key="statement_steps",
        width=480,
    )
    left, right, _ = st.columns([1, 1, 3])
    left.download_button("PDF", to_pdf(found), f"{chosen}.pdf", "application/pdf", key="statement_pdf")
    right.download_button("CSV", to_csv(found), f"{chosen}.csv", "text/csv", key="statement_csv")
