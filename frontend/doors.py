"""What a front door needs beside `st.App`: the script, the routes and the middleware.

`streamlit run` looks for `st.App(…)` in the file that it is given, so each door writes that call itself.
"""

from __future__ import annotations

from pathlib import Path

from starlette.middleware import Middleware

from frontend import surroundings, webhooks
from frontend.auth import routes
from frontend.auth.browser_id import BrowserId

MIDDLEWARE = [Middleware(BrowserId)]
ROUTES = [*routes.ROUTES, *webhooks.ROUTES]

__all__ = ["MIDDLEWARE", "ROUTES", "script"]


def script(*, start_at: str | None = None) -> Path:
    """The portal's Streamlit script; `start_at` is the path of the page to begin with."""
    if start_at is not None:
        surroundings.begin_at(start_at)
    return Path(__file__).resolve().parent / "router.py"
