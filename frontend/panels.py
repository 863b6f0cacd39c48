"""The parts of the dashboard: each draws plain data that it is given. No reads, no rules."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from frontend import summaries
from frontend.readers import Balances, DayScore, Movement, Reserve, UserRow, VideoRow, WindowShare
from ui import cards, figures
from ui.cards import Standing
from ui.formats import Formats
from ui.theme import palette


def money(
    balances: Balances | None,
    reserves: Sequence[Reserve],
    shares: Sequence[WindowShare],
    movements: Sequence[Movement],
    *,
    fmt: Formats,
    now: datetime,
) -> None:
    """Balances with their dates."""
    cards.section("Your money")
    if balances is None:
        cards.empty(
            "No money yet",
            "Your first share appears here when a revenue window is closed that counted engagement on your videos.",
            icon="savings",
        )
        return
    currency, as_of = balances.currency, fmt.moment(now)
    first, second, third, fourth = st.columns(4)
    with first:
        cards.stat(
            "Available",
            fmt.money(balances.available_cents, currency),
            standing=Standing.FINAL,
            as_of=as_of,
            help="Yours now. It can be paid out.",
        )
    with second:
        first_due = reserves[0] if reserves else None
        note = (
            f"next {fmt.money(first_due.amount_cents, currency)} on {fmt.day(first_due.available_at)}"
            if first_due
            else None
        )
        cards.stat(
            "In reserve",
            fmt.money(balances.reserve_cents, currency),
            standing=Standing.FINAL,
            as_of=as_of,
            note=note,
            help="A part of each share that is held for some days, then released to you.",
        )
    with third:
        cards.stat(
            "Carried forward",
            fmt.money(balances.carried_cents, currency),
            standing=Standing.FINAL,
            as_of=as_of,
            help="Shares below the minimum wait here until they reach it together.",
        )
    with fourth:
        counted = [share for share in shares if not share.is_reversed and share.currency == currency]
        from_windows = sum(share.earned_cents for share in counted)
        count = "1 closed window" if len(counted) == 1 else f"{len(counted)} closed windows"
        cards.stat(
            "Earned in all",
            fmt.money(summaries.earned_cents(movements, currency), currency),
            standing=Standing.FINAL,
            as_of=as_of,
            note=f"{fmt.money(from_windows, currency)} of it from {count}",
            help="All that ever came to you after the platform fee: windows, bonuses and prizes.",
        )
    if len(reserves) > 1:
        with st.expander(f"All {len(reserves)} reserves and their release dates", icon=":material/event:"):
            st.dataframe(
                {
                    "released on": [fmt.moment(reserve.available_at) for reserve in reserves],
                    "amount": [fmt.money(reserve.amount_cents, currency) for reserve in reserves],
                },
                hide_index=True,
            )


def movements_list(movements: Sequence[Movement], *, fmt: Formats) -> None:
    """Every booking, so that each balance can be followed."""
    if not movements:
        return
    with st.expander(f"All {fmt.count(len(movements))} bookings", icon=":material/receipt_long:"):
        st.dataframe(
            {
                "date": [fmt.day(movement.at) for movement in movements],
                "what": [movement.what.replace("_", " ") for movement in movements],
                "account": [movement.account.replace("_", " ") for movement in movements],
                "amount": [fmt.money(movement.cents, movement.currency, signed=True) for movement in movements],
            },
            hide_index=True,
            key="dashboard_movements",
        )


def windows(shares: Sequence[WindowShare], *, fmt: Formats) -> None:
    """The closed windows, and one of them from share to payout."""
    if not shares:
        return
    cards.section("From your share to your money", "Every closed window, step by step. The steps add up to the cent.")
    by_id = {share.window_id: share for share in shares}

    def words(window_id: int) -> str:
        share = by_id[window_id]
        return fmt.utc_range(share.start, share.end) + (" · reversed" if share.is_reversed else "")

    chosen = st.selectbox("Window (UTC)", list(by_id), format_func=words, key="dashboard_window", width=320)
    share = by_id[chosen]
    if share.is_reversed:
        st.info("This window was reversed; its amounts were booked back. A corrected version replaces it.")
    steps = steps_of(share)
    figures.show(
        figures.waterfall(steps, total="available", currency=share.currency, colours=palette(), formats=fmt),
        key="dashboard_waterfall",
    )
    cards.settled(Standing.FINAL, f"closed {fmt.moment(share.closed_at)} · policy {share.policy_name}")
    for label, _ in steps:
        if label in _WHY:
            st.caption(f"**{label}**: {_WHY[label]}")
    if len(shares) > 1:
        with st.expander("All windows", icon=":material/table_rows:"):
            st.dataframe(window_table(shares, fmt), hide_index=True, key="dashboard_windows")


#: The steps that nobody understands from their name.
_WHY = {
    "over KYC limit": "your share was above the most that your KYC level may be allocated in a window.",
    "from others' limits": "others reached their KYC limit; what they could not take is shared among the rest.",
    "reserve": "held back for safety and released to you on its date, see above.",
    "carried forward": "your part is below the minimum; it waits and is added to your next window.",
    "carried before": "what waited from earlier windows became available with this one.",
}


def steps_of(share: WindowShare) -> list[tuple[str, int]]:
    """A share's way as `(label, cents)`; what is left is the amount that became available."""
    steps = [("your share", share.alloc_cents)]
    if share.capped_cents < share.alloc_cents:
        steps.append(("over KYC limit", share.capped_cents - share.alloc_cents))
    elif share.capped_cents > share.alloc_cents:
        # What others could not take because of their limits is shared among the rest.
        steps.append(("from others' limits", share.capped_cents - share.alloc_cents))
    steps += [("platform fee", -share.platform_fee_cents), ("reserve", -share.reserve_cents)]
    if share.carried_cents:
        steps.append(("carried forward", -share.carried_cents))
    if share.released_carry_cents:
        steps.append(("carried before", share.released_carry_cents))
    return steps


def window_table(shares: Sequence[WindowShare], fmt: Formats) -> dict[str, list[str]]:
    """The windows as text columns."""
    columns = {
        "share": "alloc_cents",
        "within limit": "capped_cents",
        "fee": "platform_fee_cents",
        "reserve": "reserve_cents",
        "carried": "carried_cents",
        "carried before": "released_carry_cents",
    }
    return {
        "window (UTC)": [fmt.utc_range(share.start, share.end) for share in shares],
        **{
            title: [fmt.money(getattr(share, name), share.currency) for share in shares]
            for title, name in columns.items()
        },
        "available": [fmt.money(share.pay_now_cents + share.released_carry_cents, share.currency) for share in shares],
        "state": ["reversed" if share.is_reversed else "final" for share in shares],
    }


def integrity(
    me: UserRow, scores: Sequence[DayScore], shares: Sequence[WindowShare], *, fmt: Formats, now: datetime
) -> None:
    """The channel's score, its trend, and the two levels that the account has."""
    cards.section("Integrity", "How trustworthy the engagement on your videos is, and how that moved.")
    week = summaries.last_days(scores, 7)
    this, before = summaries.engagement(week), summaries.engagement(summaries.last_days(scores, 7, before=7))
    as_of = f"end of {fmt.utc_range(week[-1].day, week[-1].day_end)} (UTC)" if week else fmt.moment(now)
    standing = summaries.standing_of(week, shares) if week else None
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch"):
        st.markdown("**Engagement Integrity Score**, last 7 days")
        if this.eis is None:
            st.caption("No scored day yet. A day (UTC) is scored once it is over.")
        else:
            figure = figures.gauge(this.eis, title="Engagement Integrity Score", colours=palette(), formats=fmt)
            st.echarts_chart(figure.option, height=figure.height, key="dashboard_gauge", alt=figure.alt)
            cards.settled(standing, f"as of {as_of}")
            st.caption("Weak below 40, fair below 70, strong from 70. Each day's score is weighed by its engagement.")
    with right:
        first, second = st.columns(2)
        with first:
            change = None if before.as_of is None else f"{fmt.count(before.views)} in the 7 days before"
            views = fmt.count(this.views if week else None)
            cards.stat("Views, 7 days", views, standing=standing, as_of=as_of, note=change)
        with second:
            cards.stat(
                "Engagement rate, 7 days",
                fmt.percent(this.rate),
                standing=standing,
                as_of=as_of,
                note=None if before.rate is None else f"{fmt.percent(before.rate)} in the 7 days before",
                help="Likes, comments and shares for each view.",
            )
        first, second = st.columns(2)
        with first:
            cards.stat("KYC level", summaries.kyc_words(me.kyc_level), standing=None, as_of=fmt.moment(now))
        with second:
            cards.stat(
                "Creator trust score",
                fmt.decimal(me.creator_trust_score),
                standing=None,
                as_of=fmt.moment(now),
                help="0 to 100. It moves your value units by up to a fifth in either direction.",
            )
    days = summaries.by_day(scores)
    if len(days) > 1:
        labels = [fmt.utc_day(day) for day in days["day"]]
        charts = (("EIS by day", "eis", "0 to 100", 100), ("Views by day", "views", "views", None))
        for column, (title, name, unit, top) in zip(st.columns(2), charts, strict=True):
            with column:
                st.markdown(f"**{title}** (UTC)")
                values = summaries.with_gaps(days[name])
                figure = figures.trend(
                    labels, {name.upper(): values}, unit=unit, colours=palette(), formats=fmt, top=top
                )
                figures.show(figure, key=f"trend_{name}")


def videos(
    found: Sequence[VideoRow], scores: Sequence[DayScore], shares: Sequence[WindowShare], *, days: int, fmt: Formats
) -> None:
    """The videos with their scores."""
    cards.section("Your videos", f"Views and engagement of the last {days} scored days.")
    if not found:
        cards.empty("No videos yet", "Your videos and their scores appear here.", icon="movie")
        return
    table = summaries.video_table(found, scores, shares)
    st.space("small")
    st.dataframe(
        table,
        hide_index=True,
        key="dashboard_videos",
        column_config={
            "video": st.column_config.TextColumn("Video", width="medium"),
            "eis": st.column_config.ProgressColumn("EIS", min_value=0, max_value=100, format="%.1f"),
            "views": st.column_config.NumberColumn("Views", format="localized"),
            "engagement": st.column_config.NumberColumn("Engagement", format="percent"),
            "scored until": st.column_config.DatetimeColumn("Scored until", format="distance"),
            "standing": st.column_config.TextColumn("Score is"),
        },
    )
