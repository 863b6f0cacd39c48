"""`./run compare-policies`: what each policy would pay for the same days, with nothing written."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from core.settings import load_settings
from core.timewindows import Window, parse_utc
from revenue_split import policies
from revenue_split.comparison import compare, table_rows
from revenue_split.policy import PoolInputs
from revenue_split.report import money_text
from revenue_split.windows import Cents

_MONEY = (
    ("pool_cents", "pool"),
    ("allocated_cents", "allocated"),
    ("carried_cents", "carried"),
    ("residual_cents", "residual"),
    ("top_cents", "top ten"),
    ("moved_cents", "moves"),
)


def main(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME[@VERSION]…", help="Kept policies; the first is compared to.")
    ],
    start: Annotated[str, typer.Option(metavar="ISO", help="The window's first day, UTC.")],
    end: Annotated[str, typer.Option(metavar="ISO", help="The day after its last.")],
    gross_cents: Annotated[int, typer.Option(min=0, metavar="N", help="Revenue in whole cents.")],
    taxes_cents: Cents = 0,
    store_fees_cents: Cents = 0,
    refunds_cents: Cents = 0,
    costs_cents: Cents = 0,
    stack: Annotated[str | None, typer.Option(help="A local stack by name.")] = None,
) -> None:
    """Preview the same days under several policies and write nothing.

    "moves" is what would go to other creators than under the first policy. A policy whose days are not scored yet says
    so in its row.
    """
    settings = load_settings(stack)
    window = Window(parse_utc(start, name="--start"), parse_utc(end, name="--end"))
    inputs = PoolInputs(
        gross_cents=gross_cents,
        taxes_cents=taxes_cents,
        store_fees_cents=store_fees_cents,
        refunds_cents=refunds_cents,
        costs_cents=costs_cents,
    )
    outcomes = compare(settings, window, inputs, [policies.load(settings, name) for name in names])
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("policy", overflow="fold")
    for _, title in _MONEY:
        table.add_column(title, justify="right")
    table.add_column("paid", justify="right")
    for row in table_rows(outcomes):
        if row["why"]:
            table.add_row(str(row["policy"]), str(row["why"]))
            continue
        cents = [money_text(int(row[name] or 0)) for name, _ in _MONEY]
        table.add_row(str(row["policy"]), *cents, str(row["paid_creators"]))
    Console(highlight=False).print(table)
