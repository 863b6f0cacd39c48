"""The rules of a table proved by the engine that holds it, where its rows are too many to pass through this process.

One question instead of a walk: how many rows break a rule. Whoever asks then walks (`tables.scan_table`) only to name
the first of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from core.engine import Engine
from core.table_values import Kind
from core.tables import Column, TableSpec
from core.timewindows import to_us


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows there are and how many of them break a rule; the time of the first in microseconds."""

    rows: int
    bad: int
    first_us: int | None


def count_bad(con: Engine, view: str, spec: TableSpec, *, time: str, references: dict[str, str]) -> Counted:
    """Every rule of `spec` on the relation `view`, whose types are right already. `references` names for a column the
    relation whose `id` it has to be; `time` is the column whose first value is told.
    """
    joins = " ".join(
        f"left join {target} as to_{name} on to_{name}.id = t.{name}" for name, target in references.items()
    )
    kept = [rule for column in spec.columns for rule in _rules(column)]
    kept += [f"to_{name}.id is not null" for name in references]
    # Names of columns and relations of our own, and the values of the spec.
    question = f"""
        select
            count(*) as rows,
            count(*) filter (where not coalesce({" and ".join(kept)}, false)) as bad,
            count(t.{spec.key}) as keys,
            min(epoch_us(t.{time})) as first_us
        from {view} as t {joins}
    """  # noqa: S608
    asked = _row(con, question)
    asked |= _row(con, f"select count(distinct {spec.key}) as different from {view}")  # noqa: S608
    return Counted(asked["rows"], asked["bad"] + asked["keys"] - asked["different"], asked["first_us"])


def _row(con: Engine, question: str) -> dict[str, Any]:
    (row,) = con.sql(question).to_arrow_table().to_pylist()
    return dict(row)


def _rules(column: Column) -> list[str]:
    """What has to be true of the column; a rule that is unknown is broken."""
    name = f"t.{column.name}"
    found = []
    if column.low is not None and column.high is not None and column.kind is Kind.TIME:
        # Both are moments where the kind is a time.
        found = [f"epoch_us({name}) between {to_us(column.low)} and {to_us(column.high)}"]  # type: ignore[arg-type]
    elif column.choices:
        found = [f"{name} in ({', '.join(repr(word) for word in column.choices)})"]
    elif column.kind is Kind.TEXT:
        # DuckDB refuses other text by itself when it reads it, Spark does not.
        found = [f"is_valid_utf8({name})"]
    else:
        found = [
            f"{name} {sign} {edge}" for sign, edge in ((">=", column.low), ("<=", column.high)) if edge is not None
        ]
    return found if column.required else [f"({name} is null or {rule})" for rule in found]
