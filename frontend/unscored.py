"""What stands on the revenue-window page when a window's days are not scored as one yet: the button that does it."""

from __future__ import annotations

import streamlit as st

from core.timewindows import Window
from frontend import readers, surroundings
from frontend.auth.visitor import Visitor
from ui.formats import Formats
from viewer_activity.score import DayDone, score_windows

_WAITING = "_revenue_unscored"


def remember(window: Window | None, model: str = "") -> None:
    """Keeps the window that a preview was refused for, or forgets it."""
    st.session_state[_WAITING] = None if window is None else (window, model)


def panel(me: Visitor, *, fmt: Formats) -> None:
    """Offers to score what is missing; nothing where nothing is."""
    waiting: tuple[Window, str] | None = st.session_state.get(_WAITING)
    if waiting is None:
        return
    window, model = waiting
    days = fmt.utc_range(window.start, window.end)
    if not st.button(f"Score {days} under {model}", key="window_score", icon=":material/calculate:"):
        return
    # Scoring writes with the service's rights, so the database is asked once more who this is.
    if not readers.read_is_admin(me.client):
        st.error("Only admins score a window from here.", icon=":material/block:")
        return
    bar = st.progress(0.0, text="reading …")
    done: list[DayDone] = []

    def on_day(day: DayDone) -> None:
        done.append(day)
        bar.progress(len(done) / len(window.days()), text=f"{day.day.start:%Y-%m-%d}: {day.videos} videos")

    score_windows(surroundings.settings(), [window], model=model, on_day=on_day)
    bar.empty()
    remember(None)
    st.success(f"{days} is scored: preview again.", icon=":material/check:")
