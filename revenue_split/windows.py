"""A revenue window from its inputs to its close: `preview` computes everything and writes nothing, `close` is one call.

The scores are those that were kept when each day was scored; a window with a day that has events and no scores is
refused, so that every cent stands on figures that can be looked up. Carried balances are part of the figures: if one
moves between preview and close, the database refuses and the preview has to be made again.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import pyarrow.compute as pc
import typer

from core.errors import BadInput
from core.settings import Settings, load_settings
from core.timewindows import Window, parse_utc
from revenue_split import approvals, gateway, policies
from revenue_split.allocation import SplitResult, split_window
from revenue_split.errors import DaysNotScored, KeyReused
from revenue_split.policy import DEFAULT_POLICY, MOST_CENTS, Policy, PoolInputs, pool_cents
from revenue_split.report import closed_lines, preview_lines
from revenue_split.units import mean_eis
from viewer_activity.model import model_named

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn

KINDS = ("regular", "bonus")
NO_CAPS = (None, None, None, None)


@dataclass(frozen=True, slots=True)
class WindowPreview:
    """All figures of a window that is not closed yet. `policy` is the one in force: without caps where none apply."""

    window: Window
    kind: str
    currency: str
    inputs: PoolInputs
    policy: Policy
    use_caps: bool
    #: Weighted by units; None without any engagement.
    mean_eis: Fraction | None
    #: `videos` as video_rev_shares, `creators` as window_allocations; pool, allocated and residual cents.
    result: SplitResult

    def total_cents(self, column: str) -> int:
        """The sum of a column of `result.creators`."""
        return int(pc.sum(self.result.creators[column]).as_py() or 0)

    def request(self, idempotency_key: str) -> gateway.Request:
        """The close as the database takes it."""
        mean = self.mean_eis
        return gateway.Request(
            idempotency_key=idempotency_key,
            window={
                "kind": self.kind,
                "window_start": self.window.start.isoformat(),
                "window_end": self.window.end.isoformat(),
                "currency": self.currency,
                **asdict(self.inputs),
                "pool_cents": self.result.pool_cents,
                "residual_cents": self.result.residual_cents,
                "policy_name": self.policy.name,
                "policy_version": self.policy.version,
                "policy": self.policy.to_json(),
                "use_caps": self.use_caps,
                "model": self.policy.model,
                # As text: exact, and larger than JSON's numbers are in some hands.
                "mean_eis": None if mean is None else f"{mean.numerator}/{mean.denominator}",
            },
            shares=self.result.videos.drop_columns("model").to_pylist(),
            allocations=[
                row | {"streak_ppb": streak}
                for row, streak in zip(self.result.creators.to_pylist(), self.result.streak_ppb, strict=True)
            ],
        )


def preview(
    settings: Settings,
    window: Window,
    inputs: PoolInputs,
    policy: Policy,
    *,
    use_caps: bool = True,
    currency: str = "USD",
    kind: str = "regular",
) -> WindowPreview:
    """Computes the window and writes nothing.

    Raises BadInput for a window that is not made of whole UTC days or is not over, DaysNotScored where scores are
    missing, ConfigError or StackError when the database can not be reached.
    """
    _check(window, inputs, currency, kind)
    weighs = model_named(policy.model).weighs
    policy = policy if use_caps else without_caps(policy)
    data = gateway.read_window(
        settings,
        window,
        # Days outside were weighed over other windows: as in a split of files, they are no part of this one.
        since=window.start if weighs else window.end - timedelta(days=policy.streak_days),
        model=policy.model,
        currency=currency,
        as_one=weighs,
    )
    if data.unscored:
        raise DaysNotScored(data.unscored, policy.model, weighed_over=window if weighs else None)
    quality = mean_eis(data.scores, window)
    result = split_window(
        policy=policy,
        window=window,
        pool_cents=pool_cents(inputs, policy, quality),
        scores=data.scores,
        videos=data.videos,
        creators=data.creators,
        use_caps=use_caps,
        carried_cents=data.carried_cents,
    )
    return WindowPreview(window, kind, currency, inputs, policy, use_caps, quality, result)


def close(who: Settings | Client, figures: WindowPreview, idempotency_key: str) -> dict[str, Any]:
    """Closes the window once: as a job for settings, as the signed-in admin for a client.

    Returns the totals, with `replayed` True when the key had closed it before. Raises AwaitingApproval when a second
    admin has to approve first, and another MoneyRefused subclass with nothing written.
    """
    return approvals.settled(gateway.close_window(who, figures.request(idempotency_key)))


def default_key(window: Window, policy: Policy, *, kind: str = "regular", currency: str = "USD") -> str:
    """The same for the same window and policy, so that a command that is run again finds its first result."""
    rules = json.dumps([policy.to_json(), currency], sort_keys=True)
    digest = hashlib.sha256(rules.encode()).hexdigest()[:12]
    return f"{kind}:{window.start:%Y%m%dT%H%M}:{window.end:%Y%m%dT%H%M}:{policy.name}:{digest}"


def closed_before(
    settings: Settings,
    idempotency_key: str,
    window: Window,
    inputs: PoolInputs,
    policy: Policy,
    *,
    kind: str = "regular",
    currency: str = "USD",
) -> dict[str, Any] | None:
    """The first result where this key has closed this very window, None where it has closed nothing.

    Looked up because a new preview can not repeat the first figures: the close itself moved carried balances.
    Raises KeyReused when the key closed something else, or a window that was reversed since.
    """
    row = gateway.closed_window(settings, idempotency_key)
    if row is None:
        return None
    same = (
        Window(parse_utc(row["window_start"]), parse_utc(row["window_end"])) == window
        and (row["kind"], row["currency"]) == (kind, currency)
        and all(row[name] == cents for name, cents in asdict(inputs).items())
        and row["policy"] == policy.to_json()
    )
    found = {"idempotency_key": idempotency_key, "revenue_window_id": row["id"]}
    if not same:
        raise KeyReused(
            f"the key {idempotency_key} closed window {row['id']} with other inputs; nothing was changed", found
        )
    if row["status"] == "reversed":
        raise KeyReused(f"window {row['id']} was reversed; close its next version with another --key", found)
    return {**row["result"], "replayed": True}


def without_caps(policy: Policy) -> Policy:
    """The policy as it is in force where a job lifts the caps of KYC."""
    return replace(policy, kyc_caps_cents=NO_CAPS)


def _check(window: Window, inputs: PoolInputs, currency: str, kind: str) -> None:
    if not window.is_whole_days:
        raise BadInput(f"{window} is not made of whole days: begin and end at midnight UTC")
    if window.end > datetime.now(UTC):
        raise BadInput(f"the window {window} is not over yet")
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise BadInput(f"{currency!r} is not a currency such as USD")
    for name, cents in asdict(inputs).items():
        if cents is not None and cents > MOST_CENTS:
            raise BadInput(f"{cents} cents are more than the {MOST_CENTS} that can be computed with", column=name)
    if kind not in KINDS:
        raise BadInput(f"there is no kind of window {kind!r}; there are {', '.join(KINDS)}")


Cents = Annotated[int, typer.Option(min=0, metavar="N", help="Whole cents.")]


def main(
    start: Annotated[str, typer.Option(metavar="ISO", help="The window's first day, UTC.")],
    end: Annotated[str, typer.Option(metavar="ISO", help="The day after its last.")],
    gross_cents: Annotated[int, typer.Option(min=0, metavar="N", help="Revenue in whole cents.")],
    taxes_cents: Cents = 0,
    store_fees_cents: Cents = 0,
    refunds_cents: Cents = 0,
    costs_cents: Cents = 0,
    policy: Annotated[
        str, typer.Option(metavar="NAME[@VERSION]", help="A kept policy (./run policies list); by default its latest.")
    ] = DEFAULT_POLICY,
    no_kyc_caps: Annotated[bool, typer.Option("--no-kyc-caps", help="Do not cap pay by KYC level.")] = False,
    currency: Annotated[str, typer.Option(help="Three letters.")] = "USD",
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")] = "regular",
    key: Annotated[
        str | None, typer.Option(help="Idempotency key; by default made from the window and the policy.")
    ] = None,
    only_preview: Annotated[bool, typer.Option("--preview", help="Show the figures and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Close without asking.")] = False,
    stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None,
) -> None:
    """Preview or close a revenue window: pool, shares, allocations, ledger, reserves and notifications, or nothing.

    The days must be scored (./run score). Run again with the same inputs, it gives the first result and changes
    nothing; with other inputs it is refused, and so is a window that overlaps a closed one of its kind.
    """
    settings = load_settings(stack)
    window = Window(parse_utc(start, name="--start"), parse_utc(end, name="--end"))
    rules = policies.load(settings, policy)
    rules = without_caps(rules) if no_kyc_caps else rules
    inputs = PoolInputs(
        gross_cents=gross_cents,
        taxes_cents=taxes_cents,
        store_fees_cents=store_fees_cents,
        refunds_cents=refunds_cents,
        costs_cents=costs_cents,
    )
    _check(window, inputs, currency, kind)
    key = key or default_key(window, rules, kind=kind, currency=currency)
    if not only_preview and (done := closed_before(settings, key, window, inputs, rules, kind=kind, currency=currency)):
        typer.echo("\n".join(closed_lines(done)))
        return
    figures = preview(settings, window, inputs, rules, use_caps=not no_kyc_caps, currency=currency, kind=kind)
    typer.echo("\n".join(preview_lines(figures)))
    if only_preview:
        return
    if not yes:
        typer.confirm(f"Close {window} and post {figures.result.pool_cents} cents?", abort=True)
    typer.echo("\n".join(closed_lines(close(settings, figures, key))))
