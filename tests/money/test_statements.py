"""A statement sums exactly, says nothing that may change later, and is the same file to the byte."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from revenue_split.errors import FiguresDisagree
from revenue_split.report import money_text
from revenue_split.statement_pdf import to_pdf
from revenue_split.statements import Statement, VideoLine, overview_csv, to_csv

FIGURES = {
    "currency": "USD", "kind": "regular", "version": 1, "first_day": "2026-10-01", "last_day": "2026-10-31",
    "policy": "classic_v1@1", "model": "classic_v1", "hold_days": 14, "min_payout_cents": 1_000,
    "share_cents": 6_200, "over_limit_cents": -1_200, "from_others_cents": 0, "fee_cents": -500,
    "reserve_cents": -500, "carried_cents": 0, "carried_before_cents": 800, "owed_cents": 0, "available_cents": 4_800,
    "streak_ppb": 1_012_000_000, "videos": 2, "units": 300, "counted_units": 250.5,
}  # fmt: skip
VIDEOS = (VideoLine(1, 200, 180.25, 61.5, 3_000), VideoLine(2, 100, 70.25, None, 2_000))


def statement(videos: tuple[VideoLine, ...] = VIDEOS, **changes: Any) -> Statement:
    return Statement("R20261001-20261031-1-000007", 12, {**FIGURES, **changes}, videos)


def test_the_steps_sum_to_what_is_available_and_leave_out_what_did_not_happen() -> None:
    steps = statement().steps()
    assert sum(cents for _, cents in steps[:-1]) == steps[-1][1] == 4_800
    assert [label for label, _ in steps] == [
        "Your share", "Over the limit of your KYC level", "Platform fee", "Into reserve", "Carried before, released",
        "Available",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["share_cents", "fee_cents", "available_cents", "carried_before_cents"])
def test_figures_that_do_not_sum_are_no_statement(name: str) -> None:
    with pytest.raises(FiguresDisagree):
        statement(**{name: FIGURES[name] + 1})  # type: ignore[operator]


def test_videos_that_do_not_sum_to_the_share_are_no_statement() -> None:
    with pytest.raises(FiguresDisagree):
        statement(videos=VIDEOS[:1])


def test_the_csv_sums_as_the_statement_does() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(statement()).decode())))
    steps = [int(row["cents"]) for row in rows if row["kind"] == "step"]
    assert sum(steps[:-1]) == steps[-1]
    assert sum(int(row["cents"]) for row in rows if row["kind"] == "video") == 5_000
    assert [row["eis"] for row in rows if row["kind"] == "video"] == ["61.50", ""]


def test_the_overview_has_a_row_a_creator() -> None:
    rows = list(csv.DictReader(io.StringIO(overview_csv([statement()]).decode())))
    assert (rows[0]["creator_id"], rows[0]["available_cents"]) == ("12", "4800")


def test_the_same_statement_is_the_same_pdf_and_another_is_another() -> None:
    assert to_pdf(statement()) == to_pdf(statement())
    assert to_pdf(statement()).startswith(b"%PDF-")
    assert to_pdf(statement(units=301)) != to_pdf(statement())


def test_hundreds_of_videos_take_more_pages() -> None:
    many = tuple(VideoLine(n, 1, 1.0, 50.0, 10) for n in range(500))
    data = to_pdf(statement(videos=many))
    assert data.count(b"/Type /Page\n") >= 8


def test_money_is_exact_and_signed() -> None:
    assert [money_text(cents) for cents in (0, 5, -1, 123_456, -100_000)] == [
        "0.00", "0.05", "-0.01", "1,234.56", "-1,000.00",
    ]  # fmt: skip


def test_a_whole_number_is_the_same_file_by_whichever_way_it_was_read() -> None:
    """The bug that this stops: one way to the database gives 250.0, the other 250."""
    assert to_pdf(statement(counted_units=250)) == to_pdf(statement(counted_units=250.0))
    assert to_csv(statement(counted_units=250)) == to_csv(statement(counted_units=250.0))
