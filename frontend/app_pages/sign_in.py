"""Sign in with e-mail and password."""

import streamlit as st

from frontend import shell, surroundings
from frontend.auth import flows, throttle, visitor
from frontend.auth.refusals import AuthRefused, NotConfirmed
from supabase_conn import user_client
from ui import forms

with forms.narrow():
    forms.brand("Creators are paid by trusted engagement, to the cent.")
    with st.form("sign_in", border=True):
        st.subheader("Sign in", anchor=False)
        email = st.text_input("E-mail address", key="email", autocomplete="username")
        password = st.text_input("Password", type="password", key="password", autocomplete="current-password")
        sent = st.form_submit_button("Sign in", type="primary", width="stretch", key="submit")
    left, right = st.columns(2)
    left.page_link("app_pages/sign_up.py", label="Create account", icon=":material/person_add:")
    right.page_link("app_pages/reset_password.py", label="Forgot password?", icon=":material/lock_reset:")
    if sent:
        try:
            address = flows.clean_email(email)
            throttle.check(surroundings.jobs(), action="sign_in", account=address, address=visitor.address())
            tokens = flows.sign_in(user_client(surroundings.settings()), email=address, password=password)
        except NotConfirmed as refused:
            st.session_state["pending_email"] = address
            st.warning(refused.sentence)
            st.page_link("app_pages/sign_up.py", label="Type the code", icon=":material/pin:")
        except AuthRefused as refused:
            st.error(refused.sentence)
        else:
            visitor.hand_over(tokens, next_path=shell.next_path())
