"""The parts of the revenue-window page. Preview and close are `revenue_split`'s; here they are asked for and shown.

Any `st` call may end a run, and a second click starts another one. So the idempotency key is made when a preview is
drawn and kept with it: however often the button is pressed, the database closes this window once.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import streamlit as st

from core.errors import FairshareError
from core.timewindows import DAY, Window
from frontend import readers, surroundings, unscored
from frontend.auth.visitor import Visitor
from frontend.readers import ClosedWindow
from revenue_split import windows
from revenue_split.errors import AwaitingApproval, DaysNotScored
from revenue_split.policies import KeptPolicy
from revenue_split.policy import PoolInputs
from revenue_split.report import count_paid, reason_words
from revenue_split.windows import WindowPreview
from ui import cards, figures
from ui.formats import Formats, NotMoney, cents_from
from ui.theme import palette

_DRAFT = "_revenue_draft"
_FIELDS = (
    ("gross_cents", "Gross revenue", "Everything that the window brought in."),
    ("taxes_cents", "Taxes", "Taken off before the pool is formed."),
    ("store_fees_cents", "Store fees", "What app stores keep; taken off before the pool is formed."),
    ("refunds_cents", "Refunds", "Taken off before the pool is formed."),
    ("costs_cents", "Costs", "Estimated running costs; the platform's margin is kept after them."),
)


@dataclass(slots=True)
class Draft:
    """A preview on the page, with the key that its close will use and, once closed, the answer."""

    figures: WindowPreview
    key: str = field(default_factory=lambda: f"portal-{secrets.token_urlsafe(18)}")
    result: dict[str, Any] | None = None


def current_draft() -> Draft | None:
    """The preview of this Streamlit session, if there is one."""
    return st.session_state.get(_DRAFT)


def inputs_form(me: Visitor, *, fmt: Formats, closed: Sequence[ClosedWindow], kept: Sequence[KeptPolicy]) -> None:
    """Asks for days, money and policy, and previews them."""
    first, last = suggested_days(closed)
    with st.form("revenue_inputs", border=True):
        cards.section("Inputs", "Whole days in UTC. Every day must be over and scored.")
        if until := closed_until(closed):
            ends = fmt.utc_range(until - DAY, until)
            st.caption(f"The last closed window ends with {ends}; the day after it is not over yet.")
        left, middle, right = st.columns(3)
        start = left.date_input("First day (UTC)", value=first, key="window_first")
        end = middle.date_input("Last day (UTC)", value=last, key="window_last")
        rules = {one.label: one.policy for one in kept}
        policy_name = right.selectbox("Policy", list(rules), key="window_policy")
        texts: dict[str, str] = {}
        for column, (name, label, help_text) in zip(st.columns(len(_FIELDS)), _FIELDS, strict=True):
            texts[name] = column.text_input(
                f"{label} (USD)", value="" if name == "gross_cents" else "0", key=f"window_{name}", help=help_text
            )
        pressed = st.form_submit_button("Preview", type="primary", key="window_preview", icon=":material/preview:")
    if not pressed:
        unscored.panel(me, fmt=fmt)
        return
    st.session_state.pop(_DRAFT, None)
    unscored.remember(None)
    amounts = _amounts(texts, fmt)
    if amounts is None:
        return
    if end < start:
        st.error("The last day is before the first.")
        return
    try:
        window = Window(_midnight(start), _midnight(end) + DAY)
        inputs = PoolInputs(**amounts)
        # The preview reads with the service's rights, so the database is asked once more who this is.
        if not readers.read_is_admin(me.client):
            st.error("Only admins preview a window.", icon=":material/block:")
            return
        with st.spinner("Computing; nothing is written."):
            figures = windows.preview(surroundings.settings(), window, inputs, rules[policy_name])
    except DaysNotScored as missing:
        st.error(missing.sentence)
        unscored.remember(window, missing.details["model"])
        unscored.panel(me, fmt=fmt)
        return
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    st.session_state[_DRAFT] = Draft(figures)


def suggested_days(closed: Sequence[ClosedWindow], *, today: date | None = None) -> tuple[date, date]:
    """The seven days that come next: after the last closed window, else the last seven that are over."""
    yesterday = (today or datetime.now(UTC).date()) - timedelta(days=1)
    latest = _latest_end(closed)
    first = latest.astimezone(UTC).date() if latest else yesterday - timedelta(days=6)
    if first > yesterday:
        return yesterday, yesterday
    return first, min(first + timedelta(days=6), yesterday)


def closed_until(closed: Sequence[ClosedWindow], *, today: date | None = None) -> datetime | None:
    """The end of the last closed window when no day after it is over, else None."""
    latest = _latest_end(closed)
    return latest if latest and latest.astimezone(UTC).date() >= (today or datetime.now(UTC).date()) else None


def _latest_end(closed: Sequence[ClosedWindow]) -> datetime | None:
    return max((window.end for window in closed if not window.is_reversed), default=None)


def _amounts(texts: dict[str, str], fmt: Formats) -> dict[str, int] | None:
    labels = {name: label for name, label, _ in _FIELDS}
    amounts: dict[str, int] = {}
    for name, text in texts.items():
        try:
            amounts[name] = cents_from(text, locale=fmt.locale)
        except NotMoney:
            example = fmt.decimal(1234.5, 2)
            st.error(f"{labels[name]}: enter an amount of 0 or more with at most two decimals, such as {example}.")
            return None
    return amounts


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def preview_panel(me: Visitor, draft: Draft, *, closed: Sequence[ClosedWindow], fmt: Formats) -> None:
    """The whole preview, and the close."""
    found, currency, result = draft.figures, draft.figures.currency, draft.figures.result
    totals = {name: found.total_cents(name) for name in MONEY_COLUMNS}
    state = "closed" if draft.result else "a preview: nothing is written yet"
    mean = "no engagement" if found.mean_eis is None else f"mean EIS {fmt.decimal(float(found.mean_eis))}"
    cards.section(
        f"{fmt.utc_range(found.window.start, found.window.end)} · {found.policy.name}",
        f"UTC · {state} · model {found.policy.model}, {mean}",
    )
    overlap = None if draft.result else overlapping(found.window, closed)
    if overlap:
        taken = fmt.utc_range(overlap.start, overlap.end)
        st.warning(f"{taken} is closed already, so this window can not be closed; no day is paid twice.")
    for column, (label, cents, help_text) in zip(
        st.columns(4),
        (
            (
                "Pool",
                result.pool_cents,
                "What the policy gives to creators; never more than what leaves the platform its margin.",
            ),
            ("To creators", totals["capped_cents"] - totals["platform_fee_cents"], "After the platform fee."),
            ("Platform fee", totals["platform_fee_cents"], "The policy's part of each allocation."),
            ("Residual", result.residual_cents, "What nobody could take because of limits; kept in its own account."),
        ),
        strict=True,
    ):
        column.metric(label, fmt.money(cents, currency), help=help_text, border=True)
    for reason, part in result.withheld.items():
        who = "1 creator" if part.creators == 1 else f"{fmt.count(part.creators)} creators"
        less = f", {fmt.money(part.cents, currency)} less than their share" if part.cents else ""
        st.caption(f"{reason_words(reason)}: {who}{less}")
    links = money_flow(found.inputs, result.pool_cents, result.residual_cents, totals)
    if any(cents < 0 for _, _, cents in links):
        st.info("Deductions and pool are more than the gross, so there is no flow to draw.")
    else:
        colours = palette()
        tints = {
            "gross": colours.ink, "pool": colours.brand, "available": colours.good, "reserve": colours.held,
            "carried": colours.fair, "residual": colours.bad, "platform fee": colours.quiet,
        }  # fmt: skip
        figure = figures.flow(links, tints=tints, currency=currency, colours=colours, formats=fmt)
        figures.show(figure, key="window_flow")
    before = next((window for window in closed if not window.is_reversed and window.end <= found.window.start), None)
    table = creator_table(result.creators, readers.read_capped_cents(me.client, before.window_id) if before else None)
    st.markdown(f"**Every creator** ({fmt.count(len(table))})")
    if before:
        st.caption(f"Change against {fmt.utc_range(before.start, before.end)}.")
    units = shown(table)
    money = {name: st.column_config.NumberColumn(format="%,.2f") for name in units.column_names if name != "creator id"}
    st.dataframe(units, hide_index=True, key="window_creators", column_config=money)
    st.caption(f"All amounts in {currency}.")
    left, right, _ = st.columns([1, 1, 2])
    name = f"{found.window.start:%Y-%m-%d}-{found.policy.name}"
    left.download_button(
        "Creators (CSV)", table.to_csv(index=False), f"creators-{name}.csv", "text/csv", key="window_creators_csv"
    )
    right.download_button(
        "Videos (CSV)",
        result.videos.to_pandas().to_csv(index=False),
        f"videos-{name}.csv",
        "text/csv",
        key="window_videos_csv",
    )
    _close(me, draft, fmt=fmt)


def overlapping(window: Window, closed: Sequence[ClosedWindow]) -> ClosedWindow | None:
    """A closed window that shares time with this one; the database refuses the close in any case."""
    standing = (one for one in closed if not one.is_reversed)
    return next((one for one in standing if one.start < window.end and window.start < one.end), None)


MONEY_COLUMNS = (
    "alloc_cents", "capped_cents", "platform_fee_cents", "reserve_cents", "pay_now_cents", "carried_cents",
)  # fmt: skip


def money_flow(
    inputs: PoolInputs, pool_cents: int, residual_cents: int, totals: dict[str, int]
) -> list[tuple[str, str, int]]:
    """Where each cent of the gross goes; the platform keeps the rest, which is negative if there is not enough."""
    off = [
        ("taxes", inputs.taxes_cents),
        ("store fees", inputs.store_fees_cents),
        ("refunds", inputs.refunds_cents),
        ("costs", inputs.costs_cents),
    ]
    kept = inputs.gross_cents - pool_cents - sum(cents for _, cents in off)
    parts = [
        ("available", totals["pay_now_cents"]),
        ("reserve", totals["reserve_cents"]),
        ("carried", totals["carried_cents"]),
        ("platform fee", totals["platform_fee_cents"]),
        ("residual", residual_cents),
    ]
    return [
        ("gross", "pool", pool_cents),
        *(("gross", name, cents) for name, cents in off),
        ("gross", "platform", kept),
        *(("pool", name, cents) for name, cents in parts),
    ]


def creator_table(creators: pa.Table, before: dict[int, int] | None) -> pd.DataFrame:
    """Every creator's cents, the largest first; `change_cents` against the window before, missing without one."""
    table = creators.select(["creator_id", *MONEY_COLUMNS]).to_pandas()
    if before is not None:
        earlier = table["creator_id"].map(before).fillna(0).astype("int64")
        table["change_cents"] = table["capped_cents"] - earlier
    return pd.DataFrame(table.sort_values(["capped_cents", "creator_id"], ascending=[False, True], kind="stable"))


_COLUMN_WORDS = {"alloc_cents": "share", "capped_cents": "within limits", "pay_now_cents": "available"}


def shown(table: pd.DataFrame) -> pa.Table:
    """The same figures as exact decimals, for reading and sorting."""
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    for at, name in enumerate(arrow.column_names):
        if name.endswith("_cents"):
            units = pc.multiply(arrow[name].cast(pa.decimal128(19, 0)), pa.scalar(Decimal("0.01")))
            arrow = arrow.set_column(at, name, units)
    words = [_COLUMN_WORDS.get(name, name.removesuffix("_cents").replace("_", " ")) for name in arrow.column_names]
    return arrow.rename_columns(words)


def _close(me: Visitor, draft: Draft, *, fmt: Formats) -> None:
    if draft.result is not None:
        _closed_words(draft.result, draft.figures, fmt)
        if st.button("Start another window", key="window_again"):
            st.session_state.pop(_DRAFT, None)
            st.rerun()
        return
    with st.container(border=True):
        st.markdown("**Close this window**")
        st.caption("It becomes final: shares are booked, creators are told. A mistake is corrected by a reversal.")
        sure = st.checkbox("The figures above are right", key=f"window_sure_{draft.key}")
        pressed = st.button("Close the window", type="primary", disabled=not sure, key="window_close")
    if not pressed:
        return
    try:
        with st.spinner("Closing …"):
            draft.result = windows.close(me.client, draft.figures, draft.key)
    except AwaitingApproval as waits:
        st.info(f"{waits.sentence}. It stands above under “Waiting for a second admin”.", icon=":material/group:")
        return
    except FairshareError as refused:
        st.error(refused.sentence)
        return
    st.rerun()


def _closed_words(result: dict[str, Any], found: WindowPreview, fmt: Formats) -> None:
    number = result["revenue_window_id"]
    to_them = result["allocated_cents"] - result["platform_fee_cents"]
    paid, count = fmt.money(to_them, found.currency), count_paid(found)
    if result.get("replayed"):
        st.success(f"Window {number} was closed by an earlier press of this button: {paid} to creators, once.")
    else:
        who = "1 creator" if count == 1 else f"{fmt.count(count)} creators"
        st.success(f"Window {number} is closed: {paid} to {who}.")


def closed_panel(closed: Sequence[ClosedWindow], *, fmt: Formats) -> None:
    """The windows that are closed."""
    cards.section("Closed windows")
    if not closed:
        cards.empty(
            "No window is closed yet", "Preview one above and close it; it is listed here.", icon="event_available"
        )
        return
    st.dataframe(
        {
            "window (UTC)": [fmt.utc_range(one.start, one.end) for one in closed],
            "policy": [one.policy_name for one in closed],
            "pool": [fmt.money(one.pool_cents, one.currency) for one in closed],
            "allocated": [fmt.money(one.allocated_cents, one.currency) for one in closed],
            "residual": [fmt.money(one.residual_cents, one.currency) for one in closed],
            "closed": [fmt.moment(one.closed_at) for one in closed],
            "state": ["reversed" if one.is_reversed else "final" for one in closed],
            "no.": [one.window_id for one in closed],
        },
        hide_index=True,
        key="window_list",
    )
