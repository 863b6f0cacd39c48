"""Create an account, then prove the address with the mailed link or its six digits."""

import streamlit as st

from frontend import surroundings
from frontend.auth import flows, throttle, visitor
from frontend.auth.refusals import AuthRefused
from supabase_conn import user_client
from ui import forms

PENDING = "pending_email"


def ask() -> None:
    """The first step: address and password."""
    with st.form("sign_up", border=True):
        st.subheader("Create account", anchor=False)
        email = st.text_input("E-mail address", key="email", autocomplete="email")
        password = st.text_input(
            "Password",
            type="password",
            key="password",
            autocomplete="new-password",
            help=f"At least {flows.MIN_PASSWORD_LENGTH} characters.",
        )
        repeated = st.text_input("Password again", type="password", key="repeated", autocomplete="new-password")
        sent = st.form_submit_button("Create account", type="primary", width="stretch", key="submit")
    st.page_link("app_pages/sign_in.py", label="I have an account", icon=":material/login:")
    if not sent:
        return
    try:
        address = flows.clean_email(email)
        flows.check_new_password(password, repeated)
        throttle.check(surroundings.jobs(), action="sign_up", account=address, address=visitor.address())
        flows.sign_up(user_client(surroundings.settings()), email=address, password=password)
    except AuthRefused as refused:
        st.error(refused.sentence)
    else:
        st.session_state[PENDING] = address
        forms.start_countdown("resend")
        st.rerun()


def verify(address: str) -> None:
    """The second step: the code; the link in the mail does the same."""
    with st.form("verify", border=True):
        st.subheader("Check your mail", anchor=False)
        st.text(f"We wrote to {address}. Follow the link in that mail, or type its six digits here.")
        code = st.text_input("Code", key="code", max_chars=7, autocomplete="one-time-code", placeholder="123456")
        sent = st.form_submit_button("Confirm and sign in", type="primary", width="stretch", key="submit")
    forms.resend_button("resend", lambda: resend(address))
    if st.button("Use another address", type="tertiary", key="restart"):
        del st.session_state[PENDING]
        st.rerun()
    if surroundings.mailbox():
        st.page_link("app_pages/mailbox.py", label="Open the local mailbox", icon=":material/mail:")
    if not sent:
        return
    try:
        throttle.check(surroundings.jobs(), action="verify", account=address, address=visitor.address())
        tokens = flows.verify_code(user_client(surroundings.settings()), email=address, code=code, kind="signup")
    except AuthRefused as refused:
        st.error(refused.sentence)
    else:
        visitor.hand_over(tokens)


def resend(address: str) -> None:
    """Another mail; says the same whether or not there was something to confirm."""
    throttle.check(surroundings.jobs(), action="mail", account=address, address=visitor.address())
    flows.resend_confirmation(user_client(surroundings.settings()), email=address)


with forms.narrow():
    forms.brand("Creators are paid by trusted engagement, to the cent.")
    if pending := st.session_state.get(PENDING):
        verify(pending)
    else:
        ask()
