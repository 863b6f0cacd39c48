"""What the reader sees is exactly what the ledger holds: typed money, shown money, charts that add up."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from core.timewindows import Window
from frontend.auth.mailbox import read_mailbox
from frontend.panels import steps_of
from frontend.readers import ClosedWindow, DayScore, Movement, UserRow, WindowShare
from frontend.revenue import MONEY_COLUMNS, closed_until, creator_table, money_flow, overlapping, shown, suggested_days
from frontend.summaries import actions_required, by_day, earned_cents, engagement, one_model, standing_of, with_gaps
from revenue_split.policy import PoolInputs
from ui import figures
from ui.cards import Standing
from ui.formats import NotMoney, cents_from, formats_for
from ui.theme import DARK, LIGHT

US, DE = formats_for("en-US", "America/New_York"), formats_for("de-DE", "Europe/Berlin")
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def share(**changes: object) -> WindowShare:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    plain = {
        "window_id": 1, "start": start, "end": start + timedelta(days=7), "closed_at": NOON, "currency": "USD",
        "policy_name": "classic_v1", "model": "classic_v1", "is_reversed": False, "alloc_cents": 10_000,
        "capped_cents": 5_000, "platform_fee_cents": 500, "reserve_cents": 500, "pay_now_cents": 4_000,
        "carried_cents": 0, "released_carry_cents": 0,
    }  # fmt: skip
    return WindowShare(**(plain | changes))  # type: ignore[arg-type]


def score(
    day: int, *, model: str = "classic_v1", eis: float | None = 50.0, units: float = 10, views: int = 4
) -> DayScore:
    start = datetime(2026, 11, day, tzinfo=UTC)
    return DayScore(
        video_id=1, day=start, day_end=start + timedelta(days=1), model=model, eis=eis, eng_units=units, views=views,
        likes=1, comments=1, shares=0, active_viewers=3, authentic_engagement=None, comment_quality=None,
        like_integrity=None, report_credibility=None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "locale", "cents"),
    [
        ("1,234.56", "en_US", 123_456),
        ("1.234,56", "de_DE", 123_456),
        (" 0.1 ", "en_US", 10),
        ("12", "en_US", 1_200),
        ("90071992547409.93", "en_US", 9_007_199_254_740_993),  # 2^53 + 1 cents: a float would lose one
    ],
)
def test_typed_money_is_read_exactly_in_the_readers_way(text: str, locale: str, cents: int) -> None:
    assert cents_from(text, locale=locale) == cents


@pytest.mark.parametrize(
    "text", ["", "x", "1.005", "-1", "1e5", "NaN", "Infinity", "1.234,56", "1,23", "9" * 20, "12 USD"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(NotMoney):
        cents_from(text, locale="en_US")


def test_money_and_times_follow_the_reader() -> None:
    assert US.money(-123_456) == "-$1,234.56"
    assert DE.money(123_456, "EUR") == "1.234,56\xa0€"
    assert US.money(9_007_199_254_740_993) == "$90,071,992,547,409.93"
    assert US.money(None) == "–"
    assert "7:00\u202fAM EST" in US.moment(NOON)
    assert "13:00 CET" in DE.moment(NOON)


def test_an_unknown_locale_or_zone_falls_back_to_english_and_utc() -> None:
    assert formats_for("xx-nonsense", "Mars/Olympus").moment(NOON).endswith("UTC")
    assert formats_for(None, None).money(1) == "$0.01"


def test_a_window_names_its_last_day_and_not_the_midnight_after_it() -> None:
    words = US.utc_range(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 9, tzinfo=UTC))
    assert "2" in words
    assert "8" in words
    assert "9" not in words
    assert US.utc_range(datetime(2026, 11, 2, tzinfo=UTC), datetime(2026, 11, 3, tzinfo=UTC)) == "Nov 2, 2026"


@pytest.mark.parametrize(
    "one",
    [
        share(),
        share(capped_cents=12_000, platform_fee_cents=1_200, reserve_cents=1_200, pay_now_cents=9_600),
        share(
            alloc_cents=900,
            capped_cents=900,
            platform_fee_cents=90,
            reserve_cents=90,
            pay_now_cents=0,
            carried_cents=720,
        ),
        share(released_carry_cents=720),
    ],
)
def test_the_steps_from_share_to_money_sum_exactly_to_what_became_available(one: WindowShare) -> None:
    steps = steps_of(one)
    available = one.pay_now_cents + one.released_carry_cents
    assert sum(cents for _, cents in steps) == available
    figure = figures.waterfall(steps, total="available", currency="USD", colours=LIGHT, formats=US)
    assert figure.table["amount"].iloc[-1] == US.money(available)
    assert US.money(available) in figure.alt


def test_every_cent_of_the_gross_is_in_the_flow() -> None:
    inputs = PoolInputs(gross_cents=100_000, taxes_cents=7_000, store_fees_cents=15_000, refunds_cents=1, costs_cents=9)
    parts = (20_000, 18_000, 1_800, 1_800, 14_000, 400)
    totals = dict(zip(MONEY_COLUMNS, parts, strict=True))
    links = money_flow(inputs, 18_000 + 321, 321, totals)
    assert sum(cents for source, _, cents in links if source == "gross") == inputs.gross_cents
    assert sum(cents for source, _, cents in links if source == "pool") == 18_000 + 321


def test_a_chart_shows_missing_days_as_gaps() -> None:
    days = by_day([score(1), score(3)])
    assert with_gaps(days["views"]) == [4.0, None, 4.0]
    figure = figures.trend(["a", "b", "c"], {"v": with_gaps(days["views"])}, unit="", colours=DARK, formats=US)
    assert figure.option["series"][0]["data"] == [4.0, None, 4.0]
    assert figure.option["series"][0]["connectNulls"] is False


@pytest.mark.parametrize(
    ("value", "zone"), [(0, "weak"), (39.9, "weak"), (40, "fair"), (70, "strong"), (100, "strong")]
)
def test_the_gauge_names_its_zone_and_points_at_the_score(value: float, zone: str) -> None:
    figure = figures.gauge(value, title="EIS", colours=LIGHT, formats=US)
    assert figures.zone_of(value) == zone
    assert figure.option["series"][0]["data"][0]["value"] == value
    assert zone in figure.alt
    assert list(figure.table["zone"]) == ["weak", "fair", "strong"]


def test_two_models_are_never_mixed_in_one_figure() -> None:
    kept = one_model([score(1, model="old"), score(2, model="new"), score(2, model="new")])
    assert {one.model for one in kept} == {"new"}


def test_engagement_is_weighed_by_units_and_unknown_stays_unknown() -> None:
    found = engagement([score(1, eis=80, units=30), score(2, eis=40, units=10), score(3, eis=None, units=99)])
    assert found.eis == (80 * 30 + 40 * 10) / 40
    assert engagement([]).eis is None
    assert engagement([score(1, views=0)]).rate is None


def test_a_figure_is_final_only_when_a_closed_window_holds_all_its_days() -> None:
    assert standing_of([score(1), score(7)], [share()]) is Standing.FINAL
    assert standing_of([score(1), score(8)], [share()]) is Standing.ESTIMATED
    assert standing_of([score(1)], [share(is_reversed=True)]) is Standing.ESTIMATED
    assert standing_of([score(1)], [share(model="other")]) is Standing.ESTIMATED
    assert standing_of([], [share()]) is Standing.ESTIMATED


def test_the_banner_speaks_of_facts_only() -> None:
    me = UserRow(1, NOON, True, None, None, None, None)
    assert actions_required(me, None, []) == []
    assert len(actions_required(me, None, [share()])) == 1


def test_earned_in_all_counts_what_came_in_wherever_it_is_now() -> None:
    """Moves between own accounts cancel out; a payout takes nothing away from what was earned."""
    booked = [("window_close", 4_000), ("window_close", 500), ("reserve_release", -500), ("reserve_release", 500)]
    booked += [("welcome_bonus", 999), ("payout_settled", -4_000)]
    movements = [Movement(n, NOON, what, "available", cents, "USD") for n, (what, cents) in enumerate(booked)]
    movements.append(Movement(99, NOON, "welcome_bonus", "available", 777, "EUR"))
    assert earned_cents(movements, "USD") == 4_000 + 500 + 999


def test_a_preview_of_days_that_are_closed_says_so() -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    closed = ClosedWindow(1, start, start + timedelta(days=7), NOON, "USD", "classic_v1", 1, 1, 0, is_reversed=False)
    assert overlapping(Window(start + timedelta(days=6), start + timedelta(days=8)), [closed]) is closed
    assert overlapping(Window(start + timedelta(days=7), start + timedelta(days=8)), [closed]) is None
    assert overlapping(Window(start, start + timedelta(days=1)), [replace(closed, is_reversed=True)]) is None


def test_the_creator_table_shows_cents_exactly_and_the_change_to_the_last_window() -> None:
    rows = {"creator_id": [1, 2], **{name: [5, 9_007_199_254_740_993] for name in MONEY_COLUMNS}}
    table = creator_table(pa.table(rows), {1: 7})
    assert table["change_cents"].tolist() == [9_007_199_254_740_993, -2]
    assert str(shown(table)["within limits"][0].as_py()) == "90071992547409.93"


def test_when_every_day_is_closed_the_form_says_until_when() -> None:
    start = datetime(2026, 11, 13, tzinfo=UTC)
    end = start + timedelta(days=7)
    closed = ClosedWindow(1, start, end, NOON, "USD", "classic_v1", 1, 1, 0, is_reversed=False)
    assert closed_until([closed], today=end.date()) == end
    assert closed_until([closed], today=end.date() + timedelta(days=1)) is None
    assert closed_until([replace(closed, is_reversed=True)], today=end.date()) is None
    assert closed_until([], today=end.date()) is None


def test_a_local_mail_shows_the_link_that_works_here(tmp_path: Path) -> None:
    token = "a1" * 32
    text = f"Your code: 123456\n\nOr follow this link: http://127.0.0.1:8501/auth/v1/verify?token={token}&type=signup"
    (tmp_path / "1.json").write_text(json.dumps({"to": "ann@example.org", "subject": "Confirm", "text": text}))
    mail = read_mailbox(tmp_path)[0]
    assert mail.code == "123456"
    assert mail.text.endswith(f"Or follow this link: /auth/confirm?token_hash={token}&type=signup")


def test_the_next_window_starts_where_the_last_one_ended() -> None:
    today = datetime(2026, 11, 20, tzinfo=UTC).date()
    first, last = suggested_days([], today=today)
    assert (last - first).days == 6
    assert last.isoformat() == "2026-11-19"
