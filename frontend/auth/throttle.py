"""How often somebody may try. All log-ins reach Supabase from this server's address, so the portal counts itself.

Each attempt is counted for the account and for the visitor's address; what is stored is a hash of either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from frontend.auth.handles import digest
from frontend.auth.refusals import TooManyAttempts


@dataclass(frozen=True, slots=True)
class Limit:
    """`count` attempts in `seconds`, for one account or one address."""

    count: int
    seconds: int


@dataclass(frozen=True, slots=True)
class ActionLimits:
    """What one action allows to an account and to an address."""

    account: Limit
    address: Limit


#: An address may be a whole campus, so it gets more than an account.
LIMITS: dict[str, ActionLimits] = {
    "sign_in": ActionLimits(account=Limit(8, 300), address=Limit(60, 300)),
    "sign_up": ActionLimits(account=Limit(5, 3600), address=Limit(40, 3600)),
    "verify": ActionLimits(account=Limit(8, 600), address=Limit(60, 600)),
    "mail": ActionLimits(account=Limit(6, 3600), address=Limit(40, 3600)),
    "password": ActionLimits(account=Limit(6, 600), address=Limit(40, 600)),
}


def check(jobs: Any, *, action: str, account: str, address: str) -> None:
    """Counts one attempt. Raises TooManyAttempts with the longer of the two waits.

    `jobs` is a secret-key client; the counting itself is one locked function in the database.
    """
    limits = LIMITS[action]
    keys = ((digest("account", account), limits.account), (digest("address", address), limits.address))
    waits = [
        cast(
            int,
            jobs.rpc(
                "throttle",
                {"p_key_hash": key, "p_action": action, "p_limit": limit.count, "p_seconds": limit.seconds},
            )
            .execute()
            .data,
        )
        for key, limit in keys
    ]
    if any(waits):
        raise TooManyAttempts(max(waits))
