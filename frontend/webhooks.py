"""`POST /webhooks/payouts/{provider}`: where a payout provider tells what became of a transfer.

No cookie and no page of ours takes part: the signature alone says who speaks. The answer says nothing but whether the
message was kept, so that a provider sends it again where it was not.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from core.errors import FairshareError, Refused
from frontend import surroundings
from revenue_split import webhooks

SIGNATURE = "x-fairshare-signature"


async def payout_news(request: Request) -> Response:
    """200 kept, 400 refused for good, 503 try again later, 413 too long."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > webhooks.MOST_BYTES:
            return PlainTextResponse("too long", 413)
    try:
        outcome = await run_in_threadpool(
            webhooks.receive,
            surroundings.settings(),
            request.path_params["provider"],
            body,
            request.headers.get(SIGNATURE, ""),
            datetime.now(UTC),
        )
    except Refused:
        return PlainTextResponse("refused", 400)
    except FairshareError:
        return PlainTextResponse("later", 503)
    return PlainTextResponse(outcome)


ROUTES = [Route("/webhooks/payouts/{provider}", payout_news, methods=["POST"])]
