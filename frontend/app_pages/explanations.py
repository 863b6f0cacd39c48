"""Why a video's events counted as they did: a creator's own videos; for staff the most discounted of a window."""

from datetime import UTC, datetime

import streamlit as st

from frontend import explaining, explanation_reads, readers, reviews, shell
from frontend.navigation import Role
from ui import cards, formats
from viewer_activity.reviews import of_video as reviews_of

MOST = 3

me = shell.require("explanations")
fmt = formats.reader_formats()
cards.page_head("Explanations", "What came from whom, what it counted as, and what you can do about it.")
reviews.said()
if Role.REVIEWER in me.roles:
    windows = explanation_reads.read_windows(me.client)
    if not windows:
        cards.empty("Nothing weighed yet", "Explanations appear once the days of a window are scored.", icon="balance")
        st.stop()
    left, right = st.columns(2)
    start, end = left.selectbox("Window (UTC)", windows, format_func=lambda w: fmt.utc_range(*w), key="explain_window")
    search = right.text_input("A video's number", key="explain_search", placeholder="else the most discounted")
    found = (
        explanation_reads.read_explanations(me.client, int(search[:18]))[:1]
        if search.isascii() and search.isdigit()
        else explanation_reads.read_most_discounted(me.client, start, end, limit=MOST)
    )
else:
    videos = {video.video_id: video for video in readers.read_videos(me.client, me.user_id)}
    if not videos:
        cards.empty("No videos", "Explanations of your videos appear here once they are scored.", icon="movie")
        st.stop()
    chosen = st.selectbox("Video", list(videos), format_func=lambda v: videos[v].title or f"#{v}", key="explain_video")
    of_video = explanation_reads.read_explanations(me.client, chosen)
    names = {fmt.utc_range(one.start, one.end): one for one in of_video}
    found = [names[st.selectbox("Window (UTC)", list(names), key="explain_window")]] if names else []
if not found:
    cards.empty("Nothing to explain", "A window explains a video once its days are scored.", icon="balance")
paid = explaining.paid_windows(me)
for one in found:
    days = explanation_reads.read_day_parts(me.client, one)
    pay, standing = explaining.pay_of(me, one, paid)
    explaining.video_panel(one, days, pay=pay, standing=standing, fmt=fmt, key=f"explained_{one.video_id}")
    if Role.REVIEWER in me.roles:
        explaining.reports_form(me, one)
    else:
        reviews.creators_panel(me, one, reviews_of(me.client, one.video_id, one.start, one.end), fmt=fmt)
st.caption(f"As of {fmt.moment(datetime.now(UTC))}.")
