"""`./run reverse-window`: takes a closed window back whole, so that it can be closed anew as its next version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.settings import Settings, load_settings
from revenue_split import approvals, calls
from revenue_split.report import money

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn


def reverse(who: Settings | Client, window_id: int, reason: str, idempotency_key: str) -> dict[str, Any]:
    """Reverses once per key: as a job for settings, as the signed-in admin for a client.

    Returns the totals with `owed_cents`, which creators owe because it had been paid out. Raises AwaitingApproval,
    WindowNotClosed, NotAllowed or another MoneyRefused with nothing written.
    """
    answer = calls.call(
        who,
        "reverse_revenue_window",
        patient=True,
        p_idempotency_key=idempotency_key,
        p_revenue_window_id=window_id,
        p_reason=reason,
    )
    return approvals.settled(dict(answer))


def reversed_words(done: dict[str, Any]) -> str:
    """What the reversal answered, as a sentence."""
    owed = (
        f"; {money(done['owed_cents'], done['currency'])} had been paid out and are owed" if done["owed_cents"] else ""
    )
    verb = "was reversed before, nothing changed" if done["replayed"] else "is reversed"
    return f"window {done['revenue_window_id']} (version {done['version']}) {verb}{owed}"


def main(
    window: Annotated[int, typer.Argument(metavar="ID", min=1, help="The window's number.")],
    reason: Annotated[str, typer.Option(help="Why; creators are told.")],
    key: Annotated[str | None, typer.Option(help="Idempotency key; by default made from the window.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Reverse without asking.")] = False,
    stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None,
) -> None:
    """Take a closed revenue window back: every entry of its close is mirrored, and its days can be closed anew.

    What creators were paid of it meanwhile they owe, and it is taken from what they earn next.
    """
    settings = load_settings(stack)
    if not yes:
        typer.confirm(f"Reverse window {window}?", abort=True)
    typer.echo(reversed_words(reverse(settings, window, reason, key or f"reverse:{window}")))
