"""The built-in payout provider: a simulator. No money moves, and the pages say so.

It keeps its own books by key (the table simulator_transfers), as a provider's server would. The account's token chooses
what happens; the tokens stand in TOKENS.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.settings import Settings
from revenue_split.calls import call
from revenue_split.providers import Message, NoAnswer, Order, StatedTransfer

#: What each kind of simulated account does.
TOKENS = {
    "sim_paid": "Is paid.",
    "sim_failed": "Fails.",
    "sim_timeout": "Gets no answer at first; nothing is made. The second try is paid.",
    "sim_lost_reply": "Is made, and the answer gets lost.",
    "sim_late_return": "Is paid, and comes back later.",
    "sim_busy": "Is turned away at first. The second attempt is paid.",
}


class Simulator:
    """A `Provider` whose server is a table of this database."""

    name = "simulator"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, order: Order) -> Message:
        """Makes the transfer on the simulator's side. Raises NoAnswer where the account is told to be silent."""
        answer = call(
            self._settings,
            "simulator_send",
            p_provider_key=order.provider_key,
            p_payout_id=order.payout_id,
            p_token=order.token,
            p_amount_cents=order.amount_cents,
            p_currency=order.currency,
        )
        if answer is None:
            raise NoAnswer(order.provider_key)
        return Message.from_json(answer)

    def look_up(self, provider_key: str) -> Message | None:
        """What the simulator has under this key, None where it has nothing."""
        answer: dict[str, Any] | None = call(self._settings, "simulator_find", p_provider_key=provider_key)
        return None if answer is None else Message.from_json(answer)

    def news(self) -> Sequence[Message]:
        """What it would send as webhooks, until it was heard."""
        return [Message.from_json(item) for item in call(self._settings, "simulator_news")]

    def statement(self) -> Sequence[StatedTransfer]:
        """Its books."""
        return [StatedTransfer(**item) for item in call(self._settings, "simulator_statement")]
