"""ASGI middleware: every visitor's browser gets a random id, so that a ticket works in the browser it was made for.

It also sets the headers that Streamlit leaves to the host: no framing, no sniffing, no address handed on.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from frontend.auth.handles import BROWSER_COOKIE, looks_like_handle, new_handle
from frontend.auth.routes import is_tls

_ONE_YEAR_S = 365 * 24 * 3600
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class BrowserId:
    """Sets the browser-id cookie on the first page that a browser asks for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        is_new = is_page and not looks_like_handle(request.cookies.get(BROWSER_COOKIE))

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                if is_new:
                    headers.append("Set-Cookie", _cookie(secure=is_tls(request)))
            await send(message)

        await self._app(scope, receive, with_headers)


def _cookie(*, secure: bool) -> str:
    response = Response()
    response.set_cookie(
        BROWSER_COOKIE, new_handle(), max_age=_ONE_YEAR_S, path="/", httponly=True, samesite="lax", secure=secure
    )
    return response.headers["set-cookie"]
