"""Money, times and numbers the way the reader writes them. Amounts come in as integer cents and stay exact."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st
from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval, format_skeleton, format_time, format_timedelta
from babel.numbers import (
    NumberFormatError,
    format_compact_decimal,
    format_currency,
    format_decimal,
    format_percent,
    parse_decimal,
)

NOT_KNOWN = "–"


@dataclass(frozen=True, slots=True)
class Formats:
    """A reader's locale and time zone. `None` as a value is shown as not known, never as zero."""

    locale: str
    zone: ZoneInfo

    def money(self, cents: int | None, currency: str = "USD", *, signed: bool = False) -> str:
        """Exact money; `signed` puts a plus before gains."""
        if cents is None:
            return NOT_KNOWN
        text = format_currency(Decimal(cents).scaleb(-2), currency, locale=self.locale)
        return f"+{text}" if signed and cents > 0 else text

    def count(self, number: int | None) -> str:
        """A whole number with its separators."""
        return NOT_KNOWN if number is None else format_decimal(number, locale=self.locale)

    def compact(self, number: int | None) -> str:
        """A large number in a few characters: 12K."""
        if number is None:
            return NOT_KNOWN
        return format_compact_decimal(number, locale=self.locale, fraction_digits=1)

    def decimal(self, number: float | None, digits: int = 1) -> str:
        """A measured number, rounded for reading."""
        if number is None:
            return NOT_KNOWN
        return format_decimal(round(number, digits), format=f"0.{'0' * digits}", locale=self.locale)

    def percent(self, part: float | None, digits: int = 1) -> str:
        """A share in 0..1 as per cent."""
        if part is None:
            return NOT_KNOWN
        return format_percent(part, format=f"0.{'0' * digits}%" if digits else "0%", locale=self.locale)

    def day(self, at: datetime | None) -> str:
        """The reader's calendar day."""
        if at is None:
            return NOT_KNOWN
        return format_date(at.astimezone(self.zone).date(), format="medium", locale=self.locale)

    def utc_day(self, at: datetime) -> str:
        """A UTC day without its year, for the axis of a chart."""
        return str(format_skeleton("MMMd", at.astimezone(UTC), locale=self.locale))

    def moment(self, at: datetime | None) -> str:
        """Day, time and time zone of the reader."""
        if at is None:
            return NOT_KNOWN
        local = at.astimezone(self.zone)
        day, time = (
            format_date(local.date(), locale=self.locale),
            format_time(local.time(), "short", locale=self.locale),
        )
        return f"{day}, {time} {local.tzname()}"

    def ago(self, at: datetime, *, now: datetime | None = None) -> str:
        """The distance to now: 3 hours ago."""
        return format_timedelta(at - (now or datetime.now(UTC)), add_direction=True, locale=self.locale)

    def utc_range(self, start: datetime, end: datetime) -> str:
        """A window of whole days in UTC, its last day included: windows are cut in UTC for everybody."""
        last = datetime.fromtimestamp(end.timestamp() - 1e-6, UTC)
        first_day, last_day = start.astimezone(UTC).date(), last.date()
        if first_day == last_day:
            return format_date(first_day, format="medium", locale=self.locale)
        return str(format_interval(first_day, last_day, "yMMMd", locale=self.locale))


class NotMoney(ValueError):
    """A text that is no amount; carries the text."""


def cents_from(text: str, *, locale: str) -> int:
    """The cents of an amount typed in the reader's way, exactly. Raises NotMoney.

    Nothing is rounded: an amount with a third decimal is refused, and so is a misplaced separator.
    """
    words = text.strip()
    if any(sign.isalpha() for sign in words):  # 1e5 is a number to a machine alone
        raise NotMoney(words)
    try:
        cents = parse_decimal(words, locale=locale, strict=True).scaleb(2)
        whole = cents.to_integral_exact() if cents.is_finite() else None
    except (NumberFormatError, InvalidOperation):
        raise NotMoney(words) from None
    if whole is None or whole != cents or not 0 <= whole < 10**17:
        raise NotMoney(words)
    return int(whole)


def formats_for(locale: str | None, zone: str | None) -> Formats:
    """The reader's formats from what a browser tells; English and UTC where it tells nothing usable."""
    try:
        name = str(Locale.parse((locale or "en_US").replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        name = "en_US"
    try:
        info = ZoneInfo(zone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        info = ZoneInfo("UTC")
    return Formats(name, info)


def reader_formats() -> Formats:
    """The formats of whoever looks at this page."""
    return formats_for(st.context.locale, st.context.timezone)
