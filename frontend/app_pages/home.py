"""A viewer's home: the account as it is, and the one step to becoming a creator."""

import streamlit as st

from frontend import shell
from frontend.actions import become_creator
from ui import cards, formats

me = shell.require("home")
fmt = formats.reader_formats()
cards.page_head("Welcome to Fairshare", "You have a viewer's account. Creators upload videos and share in the revenue.")
with st.container(border=True):
    st.markdown("**Become a creator**")
    st.caption(
        "It costs nothing and changes nothing for you as a viewer. You get a dashboard with your videos' integrity "
        "scores and your earnings. Nothing is paid before your identity is checked (KYC level 1 and up)."
    )
    if st.button("Become a creator", type="primary", key="become_creator", icon=":material/video_call:"):
        become_creator(me.client)
        st.rerun()
cards.section("Your account")
with st.container(border=True):
    st.caption("Member since")
    st.text(fmt.day(me.me.created_at))
