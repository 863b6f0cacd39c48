"""What a payout provider is to us: orders go out, messages come back, and silence is an outcome of its own.

A provider makes one transfer per key, however often it is asked: whoever gets no answer asks again with the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from core.errors import FairshareError


class NoAnswer(FairshareError):
    """The provider did not answer: whether the transfer was made is not known."""

    def __init__(self, provider_key: str) -> None:
        self.provider_key = provider_key
        super().__init__(f"the payment provider did not answer for {provider_key}")


@dataclass(frozen=True, slots=True)
class Order:
    """One transfer to be made; `token` is the account at the provider, `provider_key` makes it one transfer."""

    provider_key: str
    payout_id: int
    token: str
    amount_cents: int
    currency: str


@dataclass(frozen=True, slots=True)
class Message:
    """What a provider says of a transfer. `kind` is one of those in the migration, `event_at` ISO text in UTC."""

    event_id: str
    kind: str
    provider_key: str
    amount_cents: int
    currency: str
    event_at: str
    reference: str | None = None
    reason: str | None = None
    #: The provider's number of a dispute; only with `dispute.opened`.
    dispute: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Message:
        """Reads a message; fields that we do not know are left out, so that a provider may add some."""
        return cls(**{name: data[name] for name in cls.__dataclass_fields__ if name in data})

    def content(self) -> dict[str, Any]:
        """What is kept under the event's id: all but the id, without what was not said."""
        return {name: value for name, value in asdict(self).items() if name != "event_id" and value is not None}


@dataclass(frozen=True, slots=True)
class StatedTransfer:
    """A line of a statement. `state` is "paid", "returned", "not paid", or on our side also "open"."""

    provider_key: str
    amount_cents: int
    currency: str
    state: str


class Provider(Protocol):
    """The whole of what is asked of a provider."""

    name: str

    def send(self, order: Order) -> Message:
        """Makes the transfer, once per key. Raises NoAnswer when it is not known whether it was made."""

    def look_up(self, provider_key: str) -> Message | None:
        """What is known of a key; None when no transfer was made under it."""

    def news(self) -> Sequence[Message]:
        """Messages that were not acknowledged yet; empty for providers that send webhooks."""

    def statement(self) -> Sequence[StatedTransfer]:
        """Every transfer as the provider has it in its books."""
