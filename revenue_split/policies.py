"""Kept policies: read by name and version, written down as the next version, and compared on the same events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from core.errors import BadInput
from core.settings import Settings, load_settings
from core.timewindows import parse_utc
from revenue_split import calls, reading
from revenue_split.errors import PolicyUnknown
from revenue_split.policy import Policy

if TYPE_CHECKING:
    from supabase import Client  # noqa: TID251  the type alone; the client comes from supabase_conn


@dataclass(frozen=True, slots=True)
class KeptPolicy:
    """A version as the database keeps it."""

    policy: Policy
    note: str | None
    created_at: datetime
    #: auth.users.id; None for those that came with the schema or from a job.
    created_by: str | None

    @property
    def label(self) -> str:
        """`name@version`."""
        return f"{self.policy.name}@{self.policy.version}"


def listed(who: Settings | Client, name: str | None = None) -> list[KeptPolicy]:
    """Every kept version, or those of one name; by name, the latest version first."""
    where = {} if name is None else {"name": name}
    found: list[dict[str, Any]] = []
    # (name, version) is the key, and one column has to tell the rows of a page apart: a name at a time.
    for one in [name] if name else _names(who):
        rows = reading.read(
            who, "policies", ("rules", "note", "created_at", "created_by"), key="version", where=where | {"name": one}
        )
        found += reversed(rows)
    return [
        KeptPolicy(Policy.from_json(row["rules"]), row["note"], parse_utc(row["created_at"]), row["created_by"])
        for row in found
    ]


def _names(who: Settings | Client) -> list[str]:
    rows = reading.read(who, "policies", ("name",), key="name", where={"version": 1})
    return [row["name"] for row in rows]


def load(who: Settings | Client, text: str) -> Policy:
    """The policy `NAME` in its latest version, or `NAME@VERSION`. Raises PolicyUnknown with what there is."""
    name, _, version = text.partition("@")
    if version and not (version.isascii() and version.isdigit()):
        raise BadInput(f"{text!r} is not NAME or NAME@VERSION", column="policy")
    versions = [kept.policy for kept in listed(who, name)]
    found = next((policy for policy in versions if not version or policy.version == int(version)), None)
    if found is None:
        known = ", ".join(_names(who)) if not versions else f"{name}@1 to {name}@{versions[0].version}"
        raise PolicyUnknown(f"there is no policy {text!r}; there are {known}", {"policy": text})
    return found


def keep(who: Settings | Client, policy: Policy, note: str | None = None) -> Policy:
    """Writes the rules down as the next version of their name, unless the latest version has them already.

    Returns the policy with its version. Raises NotAllowed for anybody but an admin or a job, MalformedRequest.
    """
    kept = calls.call(who, "keep_policy", p_rules=policy.to_json(), p_note=note or None)
    return replace(policy, version=int(kept["version"]))


def differences(policies: Sequence[Policy]) -> list[tuple[str, list[Any]]]:
    """The settings in which the policies differ, each with its value in every one of them."""
    data = [policy.to_json() for policy in policies]
    names = [name for name in data[0] if name not in ("name", "version")]
    return [
        (name, [rules[name] for rules in data]) for name in names if any(d[name] != data[0][name] for d in data[1:])
    ]


# -- ./run policies -----------------------------------------------------------------------------------------------

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Kept policies of revenue windows."
)
Stack = Annotated[str | None, typer.Option(help="A local stack by name.")]


@app.command("list")
def list_command(stack: Stack = None) -> None:
    """Every kept policy and version."""
    table = Table(show_edge=False, pad_edge=False)
    for title in ("policy", "model", "pool %", "fee %", "reserve %", "approval above", "kept", "note"):
        table.add_column(title, overflow="fold")
    for kept in listed(load_settings(stack)):
        rules = kept.policy
        limit = "never" if rules.approval_limit_cents is None else str(rules.approval_limit_cents)
        rates = (rules.pool_bp, rules.platform_fee_bp, rules.risk_reserve_bp)
        table.add_row(
            kept.label, rules.model, *(f"{bp / 100:g}" for bp in rates), limit, f"{kept.created_at:%Y-%m-%d}", kept.note
        )
    Console(highlight=False).print(table)


@app.command("show")
def show_command(policy: Annotated[str, typer.Argument(metavar="NAME[@VERSION]")], stack: Stack = None) -> None:
    """The rules of one policy as JSON, as ./run policies add takes them."""
    typer.echo(json.dumps(load(load_settings(stack), policy).to_json(), indent=2))


@app.command("add")
def add_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rules as JSON; what is left out has its default.")],
    note: Annotated[str | None, typer.Option(help="Why these rules.")] = None,
    stack: Stack = None,
) -> None:
    """Keep rules as the next version of their name. The same rules again change nothing."""
    try:
        data = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"can not be read as JSON: {error}", file=file) from None
    policy = Policy.from_json(data)
    kept = keep(load_settings(stack), policy, note)
    typer.echo(f"{kept.name}@{kept.version} is kept")
