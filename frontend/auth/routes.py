"""The HTTP side of signing in, beside Streamlit: the only place that sets or clears the session cookie.

- `GET /auth/confirm` shows a button and changes nothing, so that a mail scanner that follows links uses none up;
  its form posts the hash, the server verifies it and sets the cookie. A recovery link asks for the new password.
- `POST /auth/complete` changes a one-time ticket into the cookie.
- `POST /auth/logout` ends the session on the server and clears the cookie.

Posts must come from a page of the same origin, and are small: whoever is not signed in yet can not fill the memory.
Tickets and ids travel in bodies and cookies, never in an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from core.errors import FairshareError
from frontend import surroundings
from frontend.auth import flows, letters, throttle
from frontend.auth.handles import BROWSER_COOKIE, SESSION_COOKIE
from frontend.auth.refusals import AuthRefused, CodeRefused, ServiceUnreachable, TicketRefused
from frontend.auth.store import SESSION_LIFETIME
from frontend.navigation import safe_next
from supabase_conn import user_client

#: More than any form of ours needs: a hash, two passwords and a word.
MOST_FORM_BYTES = 16_384
MOST_FIELDS = 8
_KINDS: dict[str, flows.LinkKind] = {"signup": "signup", "email": "signup", "recovery": "recovery"}


def is_tls(request: Request) -> bool:
    """Whether the browser speaks TLS, to us or to the proxy before us."""
    forwarded = request.headers.get("x-forwarded-proto", "").split(",")[0].strip()
    return request.url.scheme == "https" or forwarded == "https"


def _same_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


class _NotOurForm(Exception):
    """A post that no form of ours sends."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status


async def _form(request: Request) -> Mapping[str, str]:
    """The fields of a small form from a page of ours. Raises _NotOurForm."""
    if not _same_origin(request):
        raise _NotOurForm("This form must be sent from the page it stands on.", 403)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MOST_FORM_BYTES:
            raise _NotOurForm("This form is too large.", 413)
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:
        raise _NotOurForm("This form can not be read.", 400) from None
    return dict(fields)


def _with_cookie(request: Request, response: Response, session_id: str) -> Response:
    response.set_cookie(
        SESSION_COOKIE,
        session_id,
        max_age=int(SESSION_LIFETIME.total_seconds()),
        path="/",
        httponly=True,
        samesite="lax",
        secure=is_tls(request),
    )
    return response


def _page(html: str, *, status: int = 200) -> Response:
    return HTMLResponse(html, status_code=status, headers=letters.HEADERS)


def _problem(sentence: str, *, status: int) -> Response:
    return _page(letters.problem(sentence), status=status)


async def confirm_shown(request: Request) -> Response:
    """The page behind a mailed link."""
    kind = _KINDS.get(request.query_params.get("type", ""))
    token_hash = request.query_params.get("token_hash", "")
    if kind is None or not token_hash:
        return _problem(CodeRefused().sentence, status=400)
    return _page(letters.confirm(kind, token_hash))


async def confirm_posted(request: Request) -> Response:
    """Verifies the link; for a recovery, sets the new password too. Then the visitor is signed in."""
    try:
        form = await _form(request)
    except _NotOurForm as refused:
        return _problem(refused.sentence, status=refused.status)
    kind = _KINDS.get(form.get("type", ""))
    token_hash = form.get("token_hash", "")
    if kind is None or not token_hash:
        return _problem(CodeRefused().sentence, status=400)
    password, repeated = form.get("password", ""), form.get("repeated", "")
    try:
        if kind == "recovery":
            # Before the link is used up: a typing error must not cost a new mail.
            flows.check_new_password(password, repeated)
    except AuthRefused as refused:
        return _page(letters.confirm(kind, token_hash, refused.sentence), status=422)
    try:
        session_id = await run_in_threadpool(_verify, kind, token_hash, password, _address(request))
    except ServiceUnreachable as refused:
        return _problem(refused.sentence, status=503)
    except FairshareError as refused:
        return _problem(refused.sentence, status=400)
    return _with_cookie(request, RedirectResponse("/", status_code=303), session_id)


def _verify(kind: flows.LinkKind, token_hash: str, password: str, address: str) -> str:
    throttle.check(surroundings.jobs(), action="verify", account=token_hash, address=address)
    client = user_client(surroundings.settings())
    tokens = flows.verify_link(client, token_hash=token_hash, kind=kind)
    store = surroundings.session_store()
    if kind == "recovery":
        flows.set_password(client, password=password)
        store.end_all(tokens.auth_id)
    return store.open(tokens)


async def complete(request: Request) -> Response:
    """Ticket in, cookie out."""
    try:
        form = await _form(request)
        session_id = await run_in_threadpool(_redeem, form.get("ticket", ""), request.cookies)
    except _NotOurForm as refused:
        return _problem(refused.sentence, status=refused.status)
    except TicketRefused as refused:
        return _problem(refused.sentence, status=400)
    target = safe_next(form.get("next"))
    return _with_cookie(request, RedirectResponse(target, status_code=303), session_id)


def _redeem(ticket: str, cookies: dict[str, str]) -> str:
    store = surroundings.session_store()
    session_id = store.redeem_ticket(ticket, browser_id=cookies.get(BROWSER_COOKIE))
    # The cookie is about to be replaced: the session that it stood for must not live on unseen.
    end_session(cookies.get(SESSION_COOKIE), everywhere=False)
    return session_id


async def logout(request: Request) -> Response:
    """Ends the session behind the cookie here and at Auth, and clears the cookie."""
    try:
        await _form(request)
    except _NotOurForm as refused:
        return _problem(refused.sentence, status=refused.status)
    await run_in_threadpool(end_session, request.cookies.get(SESSION_COOKIE), everywhere=False)
    response = RedirectResponse("/", status_code=303)
    response.delete_cookie(SESSION_COOKIE, path="/", httponly=True, samesite="lax", secure=is_tls(request))
    return response


def end_session(session_id: str | None, *, everywhere: bool) -> None:
    """Ends one session, or all of its user's. Ours first: the cookie is dead even if Auth does not answer."""
    store = surroundings.session_store()
    session = store.find(session_id)
    if session is None:
        return
    if everywhere:
        store.end_all(session.tokens.auth_id)
    else:
        store.end(session.session_hash)
    client = user_client(surroundings.settings())
    try:
        flows.adopt(client, session.tokens)
        flows.sign_out(client, everywhere=everywhere)
    except AuthRefused:
        # The log-in is gone at Auth already, or Auth is away: its tokens are no longer kept anywhere.
        return


ROUTES = [
    Route("/auth/confirm", confirm_shown, methods=["GET"]),
    Route("/auth/confirm", confirm_posted, methods=["POST"]),
    Route("/auth/complete", complete, methods=["POST"]),
    Route("/auth/logout", logout, methods=["POST"]),
]
