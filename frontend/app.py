"""The portal's front door: `streamlit run frontend/app.py`. It routes and nothing else."""

import streamlit as st

from frontend import doors

app = st.App(doors.script(), routes=doors.ROUTES, middleware=doors.MIDDLEWARE)
