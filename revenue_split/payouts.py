"""Payouts: what creators and admins do with them, and `./run payouts`, which sends them and hears what became of them.

Every rule stands in the database; here its functions are called. A transfer is begun (and committed) there before the
provider is asked. Where the provider stays silent, the payout stays in transit and the next run takes it up again under
the same key: it looks the key up first, and sends again only what the provider does not know.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.settings import Settings, load_settings
from revenue_split.calls import call
from revenue_split.errors import PayoutHeld, StepNotPossible
from revenue_split.providers import Message, NoAnswer, Order, Provider, StatedTransfer
from revenue_split.simulator import Simulator

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

DIFFERENT = 1


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a payout is refused, or (`holds`) would wait. The sentence is for the creator."""

    code: str
    sqlstate: str
    holds: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Eligibility:
    """Whether and how much can be paid out; amounts in cents of `currency`."""

    creator_id: int
    currency: str
    may_request: bool
    will_be_held: bool
    reasons: tuple[Reason, ...]
    available_cents: int
    reserve_cents: int
    carried_cents: int
    pending_cents: int
    owed_cents: int
    minimum_cents: int
    #: The most that can be asked for now, the fee already taken off; 0 while nothing can.
    most_cents: int
    #: None without a payout method.
    fee_cents: int | None
    #: None while it is not known; that is not level 0.
    kyc_level: int | None


def eligibility(
    who: Settings | Client,
    *,
    amount_cents: int | None = None,
    method_id: int | None = None,
    user_id: int | None = None,
) -> Eligibility:
    """Asks the database; without `user_id` about the signed-in person. Raises NotAllowed about somebody else."""
    data = call(
        who, "payout_eligibility", p_amount_cents=amount_cents, p_method_id=method_id, p_user_id=user_id
    )  # fmt: skip
    return Eligibility(**data | {"reasons": tuple(Reason(**item) for item in data["reasons"])})


def request(client: Client, *, amount_cents: int, method_id: int, idempotency_key: str) -> dict[str, Any]:
    """Asks for a payout as the signed-in creator, once per key. Raises a MoneyRefused subclass with nothing written."""
    answer = call(
        client, "request_payout", p_amount_cents=amount_cents, p_method_id=method_id, p_idempotency_key=idempotency_key
    )  # fmt: skip
    return dict(answer)


def add_method(client: Client, *, provider: str, token: str, label: str) -> int:
    """Adds an account for the signed-in creator; returns its id. Raises MethodNotUsable."""
    return int(call(client, "add_payout_method", p_provider=provider, p_token=token, p_label=label))


def remove_method(client: Client, method_id: int) -> None:
    """Removes an account of the signed-in creator; a payout that waits for it is held when it would be sent."""
    call(client, "remove_payout_method", p_method_id=method_id)


def cancel(who: Settings | Client, payout_id: int, *, reason: str | None = None) -> dict[str, Any]:
    """Cancels what has not left. Raises StepNotPossible for what has, NoSuchPayout for somebody else's."""
    return dict(call(who, "cancel_payout", p_payout_id=payout_id, p_reason=reason))


def hold(who: Settings | Client, creator_id: int, *, reason: str, payout_id: int | None = None) -> int:
    """Holds a creator's payouts, or one of them; returns the hold's id. The creator reads the reason."""
    return int(call(who, "place_payout_hold", p_creator_id=creator_id, p_reason=reason, p_payout_id=payout_id))


def release_hold(who: Settings | Client, hold_id: int, *, reason: str) -> list[int]:
    """Ends a hold; returns the payouts that go on, because nothing else stands against them."""
    return list(call(who, "release_payout_hold", p_hold_id=hold_id, p_reason=reason)["payout_ids"])


def release(who: Settings | Client, payout_id: int) -> None:
    """Lets a held payout go on once its reasons were mended elsewhere. Raises PayoutHeld with those that are left."""
    call(who, "release_payout", p_payout_id=payout_id)


def hear(settings: Settings, provider: str, message: Message) -> str:
    """Keeps and applies what a provider says: "applied", "already", "unmatched" or "conflict"."""
    answer = call(
        settings,
        "record_provider_event",
        p_provider=provider,
        p_event_id=message.event_id,
        p_event=message.content(),
    )
    return str(answer["outcome"])


def transfer(settings: Settings, providers: Mapping[str, Provider], payout_id: int) -> str:
    """Sends one payout, or takes its sending up again; returns what became of it, in a word.

    "held": something stands against it now. "no answer": it stays in transit, the next run asks again. Else the
    provider's word: "accepted", "paid", "failed", "busy".
    """
    try:
        begun = call(settings, "begin_payout_transfer", p_payout_id=payout_id)
    except (PayoutHeld, StepNotPossible):
        return "overtaken"  # canceled or held since it was listed
    if begun["status"] == "held":
        return "held"
    provider = providers[begun["provider"]]
    order = Order(**{name: begun[name] for name in Order.__dataclass_fields__})
    message = provider.look_up(order.provider_key) if begun["resumed"] else None
    if message is None:
        try:
            message = provider.send(order)
        except NoAnswer:
            return "no answer"
    hear(settings, provider.name, message)
    return message.kind.removeprefix("transfer.")


def send_due(settings: Settings, providers: Mapping[str, Provider] | None = None) -> Counter[str]:
    """Sends every payout that waits, then hears the providers' news; counts what became of each."""
    ways = all_providers(settings) if providers is None else providers
    counts: Counter[str] = Counter()
    for payout_id in call(settings, "payouts_to_send"):
        counts[transfer(settings, ways, payout_id)] += 1
    for provider in ways.values():
        for message in provider.news():
            counts[f"news: {hear(settings, provider.name, message)}"] += 1
    return counts


def all_providers(settings: Settings) -> dict[str, Provider]:
    """The providers that there are, by the name that the database knows them by."""
    return {provider.name: provider for provider in (Simulator(settings),)}


@dataclass(frozen=True, slots=True)
class Difference:
    """A transfer on which our books and the provider's differ; None on the side that does not have it."""

    provider_key: str
    ours: StatedTransfer | None
    theirs: StatedTransfer | None


def differences(ours: Iterable[StatedTransfer], theirs: Iterable[StatedTransfer]) -> list[Difference]:
    """Where two statements do not agree, by key.

    What only we have is no difference while it is open or was not paid. What is open here and settled there is one:
    a message got lost.
    """
    here = {line.provider_key: line for line in ours}
    there = {line.provider_key: line for line in theirs}
    found = []
    for key in sorted(here.keys() | there.keys()):
        mine, other = here.get(key), there.get(key)
        if other is None and mine is not None and mine.state in ("open", "not paid"):
            continue
        if mine != other:
            found.append(Difference(key, mine, other))
    return found


def reconcile(settings: Settings, provider: Provider) -> list[Difference]:
    """Compares our attempts with the provider's books; empty when they agree."""
    rows = call(settings, "payout_statement", p_provider=provider.name)
    ours = [StatedTransfer(**{name: row[name] for name in StatedTransfer.__dataclass_fields__}) for row in rows]
    return differences(ours, provider.statement())


def lines(counts: Mapping[str, int], found: Sequence[Difference]) -> list[str]:
    """What a run did, for a terminal."""
    said = [f"{word}: {count}" for word, count in sorted(counts.items())] or ["nothing was due"]
    return said + [f"{d.provider_key}: we have {_state(d.ours)}, the provider has {_state(d.theirs)}" for d in found]


def _state(line: StatedTransfer | None) -> str:
    return "nothing" if line is None else f"{line.amount_cents} cents {line.currency}, {line.state}"


def main(stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None) -> None:
    """Send the payouts that wait, hear what became of those on their way, and compare the books with the provider's.

    Meant for a timer, safe to run twice. The built-in provider is a simulator: no money moves. Exit code 1 when the
    books differ.
    """
    settings = load_settings(stack)
    ways = all_providers(settings)
    counts = send_due(settings, ways)
    found = [difference for provider in ways.values() for difference in reconcile(settings, provider)]
    typer.echo("\n".join(lines(counts, found)))
    if found:
        raise typer.Exit(DIFFERENT)
