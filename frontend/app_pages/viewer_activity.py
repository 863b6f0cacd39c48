"""Integrity scores of videos, day by day; staff can have days scored from here."""

from datetime import UTC, datetime, timedelta

import streamlit as st

from frontend import readers, scoring, shell, summaries
from frontend.navigation import Role
from ui import cards, formats

DAYS = 28
MOST_VIDEOS = 200

me = shell.require("viewer-activity")
fmt = formats.reader_formats()
is_staff = Role.REVIEWER in me.roles
cards.page_head("Viewer activity", "How far a video's engagement can be trusted, for each day that is over (UTC).")
if is_staff:
    scoring.compute_panel(me)
    search = st.text_input("Find a video", key="activity_search", placeholder="part of a title, or a number")
    videos = readers.find_videos(me.client, search=search, limit=MOST_VIDEOS)
    if len(videos) == MOST_VIDEOS:
        st.caption(f"The {MOST_VIDEOS} weakest scores; search to see others.")
else:
    videos = readers.read_videos(me.client, me.user_id)
if not videos:
    cards.empty("No videos", "Videos and their scores appear here once they are published.", icon="movie")
    st.stop()
chosen = scoring.choose_video(videos)
since = datetime.now(UTC) - timedelta(days=2 * DAYS)
scores = summaries.one_model(readers.read_day_scores(me.client, [chosen.video_id], since=since))
scoring.video_panel(chosen, scores, fmt=fmt)
