"""The local mailbox: what this stack would have mailed. It exists only where the Supabase is this machine's own."""

import streamlit as st

from frontend import surroundings
from frontend.auth.mailbox import read_mailbox
from ui import cards, formats

cards.page_head("Mailbox", "Mail stays on this machine in local mode. Everybody at this machine can read it here.")
folder = surroundings.mailbox()
if folder is None:
    st.info("There is no local mailbox: mail is really sent.")
    st.stop()

with st.container(width=720):
    wanted = st.text_input("Only mail to", key="to", placeholder="name@example.org").strip().lower()
    if st.button("Look again", icon=":material/refresh:", key="refresh"):
        st.rerun()
    mails = [mail for mail in read_mailbox(folder) if wanted in mail.to.lower()]
    if not mails:
        cards.empty("No mail yet", "Sign up or reset a password, and the message appears here.", icon="mail")
    fmt = formats.reader_formats()
    for mail in mails:
        with st.container(border=True):
            st.text(f"{mail.subject}\nto {mail.to}, {fmt.moment(mail.at)}")
            if mail.code:
                st.code(mail.code, language=None)
            if mail.confirm_path:
                st.link_button("Open the link in this mail", mail.confirm_path, icon=":material/open_in_new:")
            with st.expander("The whole message"):
                st.text(mail.text)
