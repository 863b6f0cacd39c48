"""Set a new password with a mailed link or its six digits. Nothing tells whether an address has an account."""

import streamlit as st

from frontend import surroundings
from frontend.auth import flows, throttle, visitor
from frontend.auth.refusals import AuthRefused
from supabase_conn import user_client
from ui import forms

RESETTING = "resetting_email"


def ask() -> None:
    """The first step: which account."""
    with st.form("ask_reset", border=True):
        st.subheader("Reset password", anchor=False)
        email = st.text_input("E-mail address", key="email", autocomplete="username")
        sent = st.form_submit_button("Send me a mail", type="primary", width="stretch", key="submit")
    st.page_link("app_pages/sign_in.py", label="Back to sign-in", icon=":material/login:")
    if not sent:
        return
    try:
        address = flows.clean_email(email)
        send(address)
    except AuthRefused as refused:
        st.error(refused.sentence)
    else:
        st.session_state[RESETTING] = address
        forms.start_countdown("resend_reset")
        st.rerun()


def send(address: str) -> None:
    """The mail, if the address has an account."""
    throttle.check(surroundings.jobs(), action="mail", account=address, address=visitor.address())
    flows.ask_reset(user_client(surroundings.settings()), email=address)


def renew(address: str) -> None:
    """The second step: code and new password together."""
    with st.form("reset", border=True):
        st.subheader("Set a new password", anchor=False)
        st.text(f"If {address} has an account, a mail is on its way. Follow its link, or use its six digits here.")
        code = st.text_input("Code", key="code", max_chars=7, autocomplete="one-time-code", placeholder="123456")
        password = st.text_input("New password", type="password", key="password", autocomplete="new-password")
        repeated = st.text_input("New password again", type="password", key="repeated", autocomplete="new-password")
        sent = st.form_submit_button("Save and sign in", type="primary", width="stretch", key="submit")
    forms.resend_button("resend_reset", lambda: send(address))
    if st.button("Use another address", type="tertiary", key="restart"):
        del st.session_state[RESETTING]
        st.rerun()
    if surroundings.mailbox():
        st.page_link("app_pages/mailbox.py", label="Open the local mailbox", icon=":material/mail:")
    if not sent:
        return
    client = user_client(surroundings.settings())
    try:
        # The password first: a typing error must not use up the code.
        flows.check_new_password(password, repeated)
        throttle.check(surroundings.jobs(), action="verify", account=address, address=visitor.address())
        tokens = flows.verify_code(client, email=address, code=code, kind="recovery")
        flows.set_password(client, password=password)
        surroundings.session_store().end_all(tokens.auth_id)
    except AuthRefused as refused:
        st.error(refused.sentence)
    else:
        visitor.hand_over(tokens)


with forms.narrow():
    forms.brand("A new password signs you out everywhere else.")
    if resetting := st.session_state.get(RESETTING):
        renew(resetting)
    else:
        ask()
