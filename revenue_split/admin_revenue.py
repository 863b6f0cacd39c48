"""The revenue-window page on its own: `streamlit run revenue_split/admin_revenue.py`. A door to the portal's page."""

import streamlit as st

from frontend import doors

app = st.App(doors.script(start_at="revenue-window"), routes=doors.ROUTES, middleware=doors.MIDDLEWARE)
