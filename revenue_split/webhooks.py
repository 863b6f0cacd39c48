"""Webhooks of payout providers: signed, not old, kept once.

The header is `t=UNIX-SECONDS,v1=HEX`, where HEX is HMAC-SHA-256 over `UNIX-SECONDS.BODY` with the shared secret. What
is old is refused, so that a message that was overheard can not be sent again much later; twice changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any

from core.errors import ConfigError, Refused
from core.settings import Settings
from revenue_split.payouts import hear
from revenue_split.providers import Message

TOLERANCE_S = 300
MOST_BYTES = 64 * 1024
_HEADER = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


class WebhookRefused(Refused):
    """The message is not signed by who shares our secret, is old, or is none. Nothing of it is kept."""


def signature(secret: str, body: bytes, at: datetime) -> str:
    """The header for a body sent at this time."""
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(secret, seconds, body)}"


def verified(secret: str, body: bytes, header: str, now: datetime) -> Message:
    """The message in a signed body. Raises WebhookRefused."""
    match = _HEADER.fullmatch(header)
    if match is None or len(body) > MOST_BYTES:
        raise WebhookRefused("the webhook has no signature of the form t=…,v1=…, or is too long")
    seconds = int(match[1])
    if not hmac.compare_digest(_digest(secret, seconds, body), match[2]):
        raise WebhookRefused("the webhook is not signed with our secret")
    if abs(now.timestamp() - seconds) > TOLERANCE_S:
        raise WebhookRefused(f"the webhook was signed more than {TOLERANCE_S} seconds ago or ahead")
    return _message(body)


def receive(settings: Settings, provider: str, body: bytes, header: str, now: datetime) -> str:
    """Verifies, keeps and applies a webhook; returns the outcome as `payouts.hear` does.

    Raises WebhookRefused, ConfigError without FAIRSHARE_WEBHOOK_SECRET, or a MoneyRefused for a message that can not be
    kept.
    """
    if settings.fairshare_webhook_secret is None:
        raise ConfigError("FAIRSHARE_WEBHOOK_SECRET is not set: no webhook is taken")
    return hear(settings, provider, verified(settings.fairshare_webhook_secret.get_secret_value(), body, header, now))


def _digest(secret: str, seconds: int, body: bytes) -> str:
    return hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256).hexdigest()


def _message(body: bytes) -> Message:
    try:
        data: Any = json.loads(body)
        return Message.from_json(data)
    except (ValueError, TypeError, AttributeError):
        # from_json raises TypeError where a field is missing, and AttributeError or TypeError where it is no object.
        raise WebhookRefused("the webhook's body is no message about a transfer") from None
