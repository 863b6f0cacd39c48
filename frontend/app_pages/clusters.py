"""Accounts that act as one, for reviewers: what they did together, and a verdict on each of them."""

import streamlit as st

from frontend import clusters, explanation_reads, shell
from ui import cards, formats

MOST = 100

me = shell.require("clusters")
fmt = formats.reader_formats()
cards.page_head("Clusters", "Accounts that act as one count as one or two viewers. Look, and decide.")
windows = explanation_reads.read_windows(me.client)
if not windows:
    cards.empty("Nothing weighed yet", "Clusters appear once the days of a window are scored.", icon="hub")
    st.stop()
start, end = st.selectbox("Window (UTC)", windows, format_func=lambda w: fmt.utc_range(*w), key="cluster_window")
found = explanation_reads.read_clusters(me.client, start, end, limit=MOST)
if not found:
    cards.empty("No cluster", "Nobody moved in lockstep in this window.", icon="hub")
    st.stop()
chosen = clusters.choose(found, fmt=fmt)
clusters.evidence_panel(chosen, fmt=fmt)
members = explanation_reads.read_members(me.client, start, end, chosen.cluster_id, limit=MOST)
clusters.members_table(members)
clusters.verdict_form(me, members)
