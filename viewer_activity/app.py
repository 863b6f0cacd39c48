"""The viewer-activity page on its own: `streamlit run viewer_activity/app.py`. A door to a page of the portal."""

import streamlit as st

from frontend import doors

app = st.App(doors.script(start_at="viewer-activity"), routes=doors.ROUTES, middleware=doors.MIDDLEWARE)
