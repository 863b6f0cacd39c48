"""Who is there: sign-up, sign-in, reset, and sessions that survive a reload. Only `visitor.py` knows Streamlit."""
