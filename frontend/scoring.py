"""The parts of the viewer-activity page: scoring days with progress, and one video's score taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import streamlit as st

from core.timewindows import DAY, Window
from frontend import actions, readers, summaries, surroundings
from frontend.auth.visitor import Visitor
from frontend.readers import DayScore, VideoRow
from ui import cards, figures
from ui.formats import Formats
from ui.theme import palette
from viewer_activity.classic_v1 import RULE
from viewer_activity.model import DEFAULT, MODELS
from viewer_activity.score import DayDone, score_days

#: One press scores at most this many days: longer stretches belong to `./run score`, which goes on after a restart.
MOST_DAYS = 31
#: In the order of the rule's weights.
_PARTS = ("authentic_engagement", "comment_quality", "like_integrity", "report_credibility")


def compute_panel(me: Visitor) -> None:
    """Staff choose days; each is scored as a whole, and days that are done are passed over."""
    with st.expander("Score days", icon=":material/calculate:"), st.form("score_days", border=False):
        st.caption(
            "A day is scored once, after its end (UTC). Days that are done are passed over. Viewers are weighed over "
            "the days that are scored together: choose those of a revenue window before it is closed."
        )
        yesterday = datetime.now(UTC).date() - timedelta(days=1)
        left, middle, right = st.columns(3)
        first = left.date_input("First day (UTC)", value=yesterday, max_value=yesterday, key="score_first")
        last = middle.date_input("Last day (UTC)", value=yesterday, max_value=yesterday, key="score_last")
        names = sorted(MODELS)
        model = right.selectbox("Model", names, index=names.index(DEFAULT), key="score_model")
        again = st.checkbox("Also days that are scored already", key="score_again")
        pressed = st.form_submit_button("Score these days", type="primary", key="score_submit")
    if pressed:
        _score(me, first, last, model=model, again=again)


def _score(me: Visitor, first: date, last: date, *, model: str, again: bool) -> None:
    # Scoring writes with the service's rights, so the database is asked once more who this is.
    if not readers.read_is_reviewer(me.client):
        st.error("Only staff may score days.", icon=":material/block:")
        return
    if last < first:
        st.error("The last day is before the first.")
        return
    days = Window(_midnight(first), _midnight(last) + DAY).days()
    if len(days) > MOST_DAYS:
        st.error(f"At most {MOST_DAYS} days at once here; ./run score takes any number.")
        return
    bar = st.progress(0.0, text="reading …")
    done: list[DayDone] = []

    def on_day(result: DayDone) -> None:
        done.append(result)
        bar.progress(len(done) / len(days), text=f"{result.day.start:%Y-%m-%d}: {result.videos} videos")

    score_days(surroundings.settings(), days, model=model, again=again, on_day=on_day)
    bar.empty()
    fresh = [result for result in done if result.scored]
    events = sum(result.events for result in fresh)
    figures = {"model": model, "days": len(fresh), "events": events, "again": again}
    actions.record_act(me.client, "portal.scored_days", "days", f"{first} to {last}", figures)
    st.success(f"Days scored: {len(fresh)}. Done before: {len(days) - len(fresh)}. Events: {events:,}.")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def choose_video(videos: Sequence[VideoRow]) -> VideoRow:
    """One of the videos, by title."""
    by_id = {video.video_id: video for video in videos}

    def words(video_id: int) -> str:
        video = by_id[video_id]
        score = "not scored" if video.eis is None else f"EIS {video.eis:.1f}"
        return f"{video.title or 'Untitled'} · #{video_id} · {score}"

    return by_id[st.selectbox("Video", list(by_id), format_func=words, key="activity_video")]


def video_panel(video: VideoRow, scores: Sequence[DayScore], *, fmt: Formats) -> None:
    """The latest day's score in parts, the days as a line, and the table to take away."""
    st.subheader(f"Video {video.video_id}", anchor=False)
    # A title is somebody's text: shown as text, since Markdown would make links of it.
    st.text(video.title or "Untitled")
    scored = [score for score in scores if score.eis is not None]
    if not scored:
        cards.empty(
            "Not scored yet",
            "A video gets a score for each day (UTC) on which others than its creator did something with it.",
            icon="hourglass_empty",
        )
        return
    latest = scored[-1]
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch"):
        st.markdown("**EIS of the latest scored day**")
        figure = figures.gauge(latest.eis or 0, title="EIS", colours=palette(), formats=fmt)
        st.echarts_chart(figure.option, height=figure.height, key="activity_gauge", alt=figure.alt)
        st.caption(f"{fmt.utc_range(latest.day, latest.day_end)} (UTC) · model {latest.model}")
    with right, st.container(border=True, height="stretch"):
        st.markdown("**What it is made of**, the costliest part first")
        parts = [
            (name.replace("_", " "), getattr(latest, name), weight)
            for name, weight in zip(_PARTS, RULE.weights, strict=True)
        ]
        figures.show(figures.contributions(parts, colours=palette(), formats=fmt), key="activity_parts")
    history = summaries.by_day(scores)
    if len(history) > 1:
        st.markdown("**EIS by day** (UTC)")
        labels = [fmt.utc_day(day) for day in history["day"]]
        lines = {"EIS": summaries.with_gaps(history["eis"])}
        figures.show(
            figures.trend(labels, lines, unit="0 to 100", colours=palette(), formats=fmt, top=100), key="activity_trend"
        )
    st.markdown("**All days**")
    st.caption("A day's score is an estimate until a closed revenue window holds the day.")
    table = _day_table(scores)
    one_decimal = {_words(name): st.column_config.NumberColumn(format="%.1f") for name in ("eis", *_PARTS)}
    st.space("small")
    st.dataframe(table, hide_index=True, key="activity_days", column_config=one_decimal)
    st.download_button(
        "Download as CSV",
        table.to_csv(index=False),
        file_name=f"video-{video.video_id}-days.csv",
        mime="text/csv",
        icon=":material/download:",
        key="activity_csv",
    )


def _day_table(scores: Sequence[DayScore]) -> pd.DataFrame:
    columns = {"day (UTC)": [score.day.date().isoformat() for score in scores]}
    names = ("eis", *_PARTS, "views", "likes", "comments", "shares", "active_viewers", "model")
    return pd.DataFrame(columns | {_words(name): [getattr(score, name) for score in scores] for name in names})


def _words(name: str) -> str:
    return "EIS" if name == "eis" else name.replace("_", " ")
