"""One's own account: password, and the way out of every browser at once."""

import streamlit as st

from frontend import navigation, shell, surroundings
from frontend.auth import flows, throttle, visitor
from frontend.auth.refusals import AuthRefused, WrongCredentials, WrongPassword
from supabase_conn import user_client
from ui import cards

me = shell.require("account")
cards.page_head("Account", "Your log-in.")
with st.container(width=640):
    with st.container(border=True):
        st.caption("E-mail address")
        st.text(me.email)

    cards.section("Change password", "You stay signed in here and are signed out everywhere else.")
    with st.form("password", border=True, clear_on_submit=True):
        current = st.text_input("Current password", type="password", key="current", autocomplete="current-password")
        password = st.text_input("New password", type="password", key="password", autocomplete="new-password")
        repeated = st.text_input("New password again", type="password", key="repeated", autocomplete="new-password")
        sent = st.form_submit_button("Change password", key="change")
    if sent:
        client = user_client(surroundings.settings())
        try:
            flows.check_new_password(password, repeated)
            throttle.check(surroundings.jobs(), action="password", account=me.email, address=visitor.address())
            tokens = flows.sign_in(client, email=me.email, password=current)
            flows.set_password(client, password=password)
            surroundings.session_store().end_all(tokens.auth_id)
        except WrongCredentials:
            st.error(WrongPassword().sentence)
        except AuthRefused as refused:
            st.error(refused.sentence)
        else:
            visitor.hand_over(tokens, next_path=navigation.PASSWORD_CHANGED)
    elif navigation.is_told(navigation.PASSWORD_CHANGED, st.query_params):
        st.success("Your password is changed, and every other browser is signed out.")

    cards.section("Sign out everywhere", "Ends every session of yours, in every browser, this one too.")
    if st.button("Sign out everywhere", icon=":material/phonelink_erase:", key="sign_out_everywhere"):
        visitor.sign_out(everywhere=True)
