"""A statement as a PDF: the same bytes for the same statement, whatever the day and the machine's settings.

Nothing but ASCII stands in a statement (numbers, days, labels), so the fonts that every reader has are enough.
"""

from __future__ import annotations

from datetime import UTC, datetime

from fpdf import FPDF, XPos, YPos

from revenue_split.report import money_text
from revenue_split.statements import Statement

_GREY, _INK, _LINE = 110, 25, 205
_WIDTHS = (42.0, 28.0, 34.0, 26.0, 40.0)


class _Sheet(FPDF):
    """A4 with the statement's number and the page at its foot."""

    number = ""

    def footer(self) -> None:
        self.set_y(-15)
        self.set_font("helvetica", size=8)
        self.set_text_color(_GREY)
        self.cell(0, 10, f"Statement {self.number}   page {self.page_no()}", align="C")


def to_pdf(statement: Statement) -> bytes:
    """The whole statement: what it is about, the steps, the videos."""
    figures = statement.figures
    sheet = _Sheet(format="A4")
    sheet.number = statement.number
    sheet.set_title(f"Statement {statement.number}")
    sheet.set_producer("Fairshare")
    sheet.set_creator("Fairshare")
    # Of the window and not of the drawing: a date of today would make another file every day.
    sheet.set_creation_date(datetime.fromisoformat(figures["last_day"]).replace(tzinfo=UTC))
    sheet.set_auto_page_break(auto=True, margin=20)
    sheet.add_page()
    _heading(sheet, statement)
    for label, cents in statement.steps()[:-1]:
        _step(sheet, label, cents)
    sheet.set_draw_color(_LINE)
    sheet.line(sheet.l_margin, sheet.get_y() + 1, sheet.l_margin + 170, sheet.get_y() + 1)
    sheet.ln(2)
    _step(sheet, f"Available, {statement.currency}", figures["available_cents"], bold=True)
    _notes(sheet, statement)
    _videos(sheet, statement)
    return bytes(sheet.output())


def _heading(sheet: FPDF, statement: Statement) -> None:
    figures = statement.figures
    sheet.set_text_color(_INK)
    sheet.set_font("helvetica", "B", 18)
    sheet.cell(0, 10, "Statement of your share", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.set_font("helvetica", size=10)
    version = f", version {figures['version']}" if figures["version"] > 1 else ""
    for line in (
        f"Number {statement.number}",
        f"{figures['first_day']} to {figures['last_day']} (UTC){version}",
        f"Creator {statement.creator_id}",
        f"Policy {figures['policy']}, scores by {figures['model']}",
    ):
        sheet.cell(0, 5.5, line, new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    sheet.ln(6)


def _step(sheet: FPDF, label: str, cents: int, *, bold: bool = False) -> None:
    sheet.set_text_color(_INK)
    sheet.set_font("helvetica", "B" if bold else "", 11)
    sheet.cell(130, 7, label)
    sheet.cell(40, 7, money_text(cents), align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _notes(sheet: FPDF, statement: Statement) -> None:
    figures = statement.figures
    counted = f"{float(figures['counted_units']):,.3f}"
    notes = [f"Your videos had {figures['units']:,} units of engagement, of which {counted} counted."]
    if figures["streak_ppb"] != 10**9:
        notes.append(
            f"The streak of your last days' scores moved your share by the factor {figures['streak_ppb'] / 1e9:.4f}."
        )
    if figures["reserve_cents"]:
        notes.append(f"The reserve is held for {figures['hold_days']} days after the close and then released to you.")
    if figures["carried_cents"]:
        least = money_text(figures["min_payout_cents"])
        notes.append(
            f"What is below the minimum of {least} {statement.currency} waits and is added to your next share."
        )
    if figures["over_limit_cents"]:
        notes.append("Your KYC level limits what a window may pay you; what is above it is shared among the others.")
    sheet.ln(4)
    sheet.set_font("helvetica", size=9)
    sheet.set_text_color(_GREY)
    for note in notes:
        sheet.multi_cell(170, 4.5, note, new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _videos(sheet: FPDF, statement: Statement) -> None:
    if not statement.videos:
        return
    sheet.ln(6)
    _row(sheet, ("video", "units", "counted", "mean EIS", statement.currency), bold=True)
    for video in statement.videos:
        eis = "-" if video.eis is None else f"{video.eis:.2f}"
        _row(
            sheet,
            (str(video.video_id), f"{video.units:,}", f"{video.counted_units:,.2f}", eis, money_text(video.cents)),
        )
    total = sum(video.cents for video in statement.videos)
    _row(sheet, ("All videos, your share within limits", "", "", "", money_text(total)), bold=True)


def _row(sheet: FPDF, cells: tuple[str, ...], *, bold: bool = False) -> None:
    sheet.set_text_color(_INK)
    sheet.set_font("helvetica", "B" if bold else "", 9)
    for at, (text, width) in enumerate(zip(cells, _WIDTHS, strict=True)):
        if at == 0 and not cells[1]:
            width = sum(_WIDTHS[:-1])
        elif not text:
            continue
        last = at == len(cells) - 1
        sheet.cell(
            width,
            5.5,
            text,
            align="R" if at else "L",
            new_x=XPos.LMARGIN if last else XPos.RIGHT,
            new_y=YPos.NEXT if last else YPos.TOP,
        )
