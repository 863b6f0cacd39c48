"""The parts of the explanation page: why a video's events counted as they did, in words and two pictures.

Panels draw plain data that they are given; `summary_of` is the arithmetic, pure.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import streamlit as st

from bot_account_detection.reasons import Reason
from bot_account_detection.verdicts import decide_reports
from core.errors import FairshareError
from frontend import explanation_reads
from frontend.auth.visitor import Visitor
from frontend.explanation_reads import DayParts, Explanation, PaidWindow
from frontend.navigation import Role
from revenue_split.counterfactual import pay_without
from revenue_split.policy import Policy
from ui import cards, figures
from ui.cards import Standing
from ui.formats import Formats
from ui.theme import palette
from viewer_activity.classic_v1 import RULE
from viewer_activity.telling import Told, told

#: In the order of the rule's weights, in a creator's words.
_PARTS = (
    ("authentic_engagement", "Engagement"),
    ("comment_quality", "Comments"),
    ("like_integrity", "Likes"),
    ("report_credibility", "Reports"),
)


@dataclass(frozen=True, slots=True)
class Pay:
    """What a closed window paid for the video, by its policy."""

    cents: int
    currency: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Summary:
    """The window's score taken apart: `parts` as (label, 0 to 100, weight), and the points by which a small audience
    was moved towards the platform's mean. The parts' points and these are the score.
    """

    parts: list[tuple[str, float | None, float]]
    moved: float

    @property
    def is_moved(self) -> bool:
        """By as much as one decimal shows."""
        return round(abs(self.moved), 1) > 0


def summary_of(days: Sequence[DayParts]) -> Summary | None:
    """The means over the days, weighed by what was paid for; None without any day."""
    if not days:
        return None
    total = sum(day.counted_units for day in days)
    weights = [day.counted_units if total > 0 else 1.0 for day in days]
    scale = sum(weights)

    def mean(name: str) -> float:
        return sum(w * getattr(day, name) for w, day in zip(weights, days, strict=True)) / scale

    parts = [(label, mean(name), weight) for (name, label), weight in zip(_PARTS, RULE.weights, strict=True)]
    moved = mean("eis") - sum(weight * (score or 0.0) for _, score, weight in parts)
    return Summary([*parts], moved)


def video_panel(
    found: Explanation, days: Sequence[DayParts], *, pay: Pay | None, standing: Standing, fmt: Formats, key: str
) -> None:
    """One video: score, parts, counted against not counted, and a card for each reason."""
    groups = told(found.groups, number=fmt.count)
    st.subheader(f"Video {found.video_id}", anchor=False)
    # A title is somebody's text: shown as text, since Markdown would make links of it.
    st.text(found.title or "Untitled")
    cards.settled(standing, f"{fmt.utc_range(found.start, found.end)} (UTC) · model {found.model}")
    _counted(groups, fmt=fmt, key=key)
    parts: list[Callable[[], None]] = [partial(_reason, one) for one in groups if not one.is_plain]
    if found.discounted_units >= 1:
        parts.append(partial(_without, found, pay, fmt=fmt))
    for at in range(0, len(parts), 2):
        pair = parts[at : at + 2]
        for column, draw in zip(st.columns(len(pair)), pair, strict=True):
            with column, st.container(border=True, height="stretch"):
                draw()
    _score(found, days, is_empty=sum(one.viewers for one in groups) < 1, fmt=fmt, key=key)


def _score(found: Explanation, days: Sequence[DayParts], *, is_empty: bool, fmt: Formats, key: str) -> None:
    summary, eis = summary_of(days), found.figures["eis"]
    if summary is None or eis is None:
        st.caption("Nothing of this window is left to score.")
        return
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch"):
        st.markdown("**Engagement Integrity Score**")
        word = "the platform's mean" if is_empty else None
        figure = figures.gauge(eis, title="EIS", colours=palette(), formats=fmt, word=word)
        st.echarts_chart(figure.option, height=figure.height, key=f"{key}_gauge", alt=figure.alt)
    with right, st.container(border=True, height="stretch"):
        st.markdown("**What it is made of**, the costliest part first")
        figures.show(figures.contributions(summary.parts, colours=palette(), formats=fmt), key=f"{key}_parts")
        if is_empty:
            st.caption(
                "Hardly anybody was counted, so this is nearly the platform's mean and says little of the video."
            )
        elif summary.is_moved:
            moved, way = fmt.decimal(abs(summary.moved)), "up" if summary.moved > 0 else "down"
            st.caption(f"Few viewers say little: the score was moved {moved} points {way}, to the platform's mean.")


def _counted(groups: Sequence[Told], *, fmt: Formats, key: str) -> None:
    units = sum(one.units for one in groups)
    if not units:
        return
    counted = sum(one.counted for one in groups)
    colours = palette()
    st.markdown(f"**{fmt.count(round(counted))} of {fmt.count(units)} units of engagement counted**")
    lost = [(_lost_words(one), one.units - one.counted) for one in groups if one.units - one.counted >= 1]
    tints = itertools.cycle((colours.fair, colours.held, colours.bad, colours.brand, colours.quiet))
    parts = [("Counted", counted, colours.good), *((*part, next(tints)) for part in lost)]
    figures.show(figures.stack(parts, unit="units", colours=colours, formats=fmt), key=f"{key}_counted")
    st.caption("A view is 1 unit, a like 3, a comment 5, a share 8. What does not count is no penalty: it is left out.")


def _lost_words(one: Told) -> str:
    """Also an account against which nobody speaks counts in part, and "counted" would say the contrary."""
    return "Not known well enough yet" if one.is_plain else one.reason.title


def _reason(one: Told) -> None:
    st.markdown(f"**{one.reason.title}** {_badge(one.reason)}")
    st.markdown(f"{one.headline}.")
    st.markdown(f":small[{one.reason.sentence}]")
    st.markdown(f":small[:material/arrow_forward: {one.reason.action}]")


def _badge(reason: Reason) -> str:
    colour = {"not counted": "red", "counted in full": "green"}.get(reason.counts, "orange")
    return f":{colour}-badge[{reason.counts}]"


def _without(found: Explanation, pay: Pay | None, *, fmt: Formats) -> None:
    eis, without = found.figures["eis"], found.figures["eis_without"]
    then = None if pay is None else pay_without(pay.cents, found.figures, pay.policy)
    st.markdown("**Without these events**")
    if eis is None or without is None:
        st.markdown("Nothing would be left to score.")
    else:
        st.markdown(f"EIS **{fmt.decimal(without)}** instead of {fmt.decimal(eis)}.")
    if pay is not None and then is not None:
        now = fmt.money(pay.cents, pay.currency)
        st.markdown(f"Pay about **{fmt.money(then, pay.currency)}** instead of {now}.")
    st.markdown(":small[Had they never been, and everybody else as they are. New accounts are not part of this.]")


def reports_form(me: Visitor, found: Explanation) -> None:
    """A reviewer's verdict on a video's reports; the database checks who asks, and writes the audit row."""
    if not any(group["code"] == "reports" for group in found.groups):
        return
    with st.form(f"reports_{found.video_id}", border=True):
        st.markdown("**The reports**")
        verdict = st.radio("Verdict", list(_REPORT_VERDICTS), key=f"reports_verdict_{found.video_id}", horizontal=True)
        note = st.text_input("Note", key=f"reports_note_{found.video_id}", max_chars=2000)
        pressed = st.form_submit_button("Decide", key=f"reports_submit_{found.video_id}", icon=":material/gavel:")
    if not pressed:
        return
    outcome, code = _REPORT_VERDICTS[verdict]
    try:
        count = decide_reports(me.client, found.video_id, verdict=outcome, reason_code=code, note=note or None)
    except FairshareError as refused:
        st.error(refused.sentence, icon=":material/block:")
        return
    st.success(f"Written: {count} reporters are believed {'more' if outcome == 'upheld' else 'less'} from now on.")


#: What the verdict says: upheld or dismissed, and its code.
_REPORT_VERDICTS = {
    "They are right: it breaks a rule": ("upheld", "breaks_rules"),
    "They are wrong: no rule is broken": ("dismissed", "no_violation"),
    "They are a brigade": ("dismissed", "report_brigade"),
}


def paid_windows(me: Visitor) -> list[PaidWindow]:
    """The closed windows that the visitor may know of: a creator's own, an admin's all, a reviewer's none."""
    if Role.ADMIN in me.roles or Role.CREATOR in me.roles:
        return explanation_reads.read_paid_windows(me.client, everybodys=Role.ADMIN in me.roles)
    return []


def pay_of(me: Visitor, found: Explanation, paid: Sequence[PaidWindow]) -> tuple[Pay | None, Standing]:
    """What the window of an explanation paid for its video, and how settled its figures are."""
    for window in paid:
        if (window.start, window.end) == (found.start, found.end):
            cents = explanation_reads.read_video_cents(me.client, found.video_id, window.window_id, model=found.model)
            if cents is not None:
                return Pay(cents, window.currency, window.policy), Standing.FINAL
    return None, Standing.ESTIMATED
