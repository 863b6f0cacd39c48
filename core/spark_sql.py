"""DuckDB's dialect into Spark's: one statement in, what is to be done with it out. No cluster is needed for it.

Spark has neither variables nor macros nor parameters as DuckDB knows them, so their values and bodies are put in
their places. Where a function of the same name means something else, the difference is told beside its rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlglot
from sqlglot import exp

from core.errors import ConfigError

Value = bool | int | float | str
#: Whole numbers wider than 64 bits; DuckDB's sum() of whole numbers is one, too.
WIDE = "decimal(38, 0)"
_HALF = 1 << 32
WIDE_TYPES = (exp.DType.INT128, exp.DType.UINT128)
#: typeof() is known before anything runs, so only one of the branches is left then.
_IN_HALVES = f"""
    case when typeof(x) like 'decimal%'
        then cast(cast(x as {WIDE}) % {1 << 64} as double)
            + cast(cast(x as {WIDE}) // {1 << 64} as double) * {float(1 << 64)!r}
        else cast(x as double)
    end
"""


@dataclass(frozen=True, slots=True)
class Macro:
    """`create macro name(parameters) as body`."""

    parameters: tuple[str, ...]
    body: exp.Expression


@dataclass(frozen=True, slots=True)
class Statement:
    """What Spark is to be told. `makes` is the relation that `sql` is the content of, `stored` whether it is to be
    kept as rows; `sets` is the variable that takes its first value. With `defines` there is nothing to run.

    `unless_there`: only if there is no such relation yet. `spells_json`: it writes JSON text, which no two engines
    write alike.
    """

    sql: str = ""
    makes: str | None = None
    stored: bool = False
    unless_there: bool = False
    sets: str | None = None
    defines: str | None = None
    spells_json: bool = False
    reads: frozenset[str] = frozenset()


@dataclass(slots=True)
class Dialect:
    """What has been defined so far: variables by name, macros by name."""

    variables: dict[str, Value] = field(default_factory=dict)
    macros: dict[str, Macro] = field(default_factory=dict)

    def statement(self, sql: str, parameters: Mapping[str, Any] | None = None) -> Statement:
        """`sql` for Spark. Raises ConfigError for a kind of statement, a variable or a parameter that is not known."""
        tree = sqlglot.parse_one(sql, read="duckdb")
        if isinstance(tree, exp.Create) and tree.args["kind"] == "MACRO":
            return self._define(tree)
        if isinstance(tree, exp.Set):
            return self._set(tree, parameters or {})
        makes, stored = None, False
        if isinstance(tree, exp.Create) and isinstance(tree.this, exp.Schema):
            return Statement(_no_rows(tree.this), makes=tree.this.this.name, unless_there=bool(tree.args["exists"]))
        if isinstance(tree, exp.Create):
            makes, stored = tree.this.name, tree.args["kind"] == "TABLE"
            tree = tree.expression
        if not isinstance(tree, exp.Query):
            raise ConfigError(f"Spark is asked questions only, and this is none: {sql.strip()[:60]}")
        return Statement(
            self._written(tree, parameters or {}),
            makes=makes,
            stored=stored,
            spells_json=any(True for _ in tree.find_all(exp.JSONFormat))
            or any(name.name.lower() == "to_json" for name in tree.find_all(exp.Anonymous)),
            reads=frozenset(table.name for table in tree.find_all(exp.Table)),
        )

    def _define(self, tree: exp.Create) -> Statement:
        head = tree.this
        name = head.this.name.lower()
        self.macros[name] = Macro(tuple(part.name for part in head.expressions), tree.expression)
        return Statement(defines=name)

    def _set(self, tree: exp.Set, parameters: Mapping[str, Any]) -> Statement:
        pair = tree.expressions[0].this
        return Statement(f"select {self._written(pair.expression, parameters)}", sets=pair.this.name)

    def _written(self, tree: exp.Expression, parameters: Mapping[str, Any]) -> str:
        tree = self._filled(tree.copy(), parameters)
        for rule in RULES:
            tree = tree.transform(rule)
        for total in list(tree.find_all(exp.Sum)):
            _widen(total)
        for select in list(tree.find_all(exp.Select)):
            _spread_lists_outside(select)
        return str(tree.sql("spark", comments=False))

    def _filled(self, tree: exp.Expression, parameters: Mapping[str, Any]) -> exp.Expression:
        """Parameters, variables and macros replaced by what they stand for."""

        def fill(node: exp.Expression) -> exp.Expression:
            if isinstance(node, exp.Parameter | exp.Placeholder):
                return _literal(_known(parameters, node.name, "parameter"))
            if not isinstance(node, exp.Anonymous):
                return node
            name = node.name.lower()
            if name == "getvariable":
                return _literal(_known(self.variables, node.expressions[0].name, "variable"))
            if name in self.macros:
                return self._filled(_expanded(self.macros[name], node.expressions), parameters)
            return node

        return tree.transform(fill)


def _no_rows(table: exp.Schema) -> str:
    """A question that has the columns of `table (name type, …)` and no answer."""
    columns = [
        exp.alias_(exp.cast(exp.Null(), _type(column.args["kind"])), column.name) for column in table.expressions
    ]
    return str(exp.select(*columns).where("false").sql("spark"))


def _type(kind: exp.DataType) -> exp.DataType:
    return exp.DataType.build(WIDE) if kind.this in WIDE_TYPES else kind


def _known(values: Mapping[str, Any], name: str, kind: str) -> Value:
    if name not in values:
        raise ConfigError(f"the {kind} {name} has no value")
    value: Value = values[name]
    return value


def _literal(value: Value) -> exp.Expression:
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, str):
        return exp.Literal.string(value)
    # With an exponent, for a number with a point alone is a decimal.
    text = str(value) if isinstance(value, int) else f"{value!r}" + ("" if "e" in repr(value) else "e0")
    number = exp.Literal.number(text.lstrip("-"))
    return exp.Paren(this=exp.Neg(this=number)) if text.startswith("-") else number


def _expanded(macro: Macro, arguments: list[exp.Expression]) -> exp.Expression:
    given = dict(zip(macro.parameters, arguments, strict=True))

    def put(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Column) and not node.table and node.name in given:
            return exp.Paren(this=given[node.name].copy())
        return node

    return exp.Paren(this=macro.body.copy().transform(put))


def _functions(node: exp.Expression) -> exp.Expression:
    """The functions that have another name. A hash is only ever compared, so any that has 64 bits will do."""
    if isinstance(node, exp.Anonymous) and (name := SAME_FUNCTIONS.get(node.name.lower())):
        node.set("this", name)
    return node


def _casts(node: exp.Expression) -> exp.Expression:
    """Wide whole numbers are decimals. DuckDB makes one a float from its two halves of 64 bits, each rounded; so it is
    done here, where rounding once would give another last bit.
    """
    if not isinstance(node, exp.Cast):
        return node
    if node.to.this in WIDE_TYPES:
        node.set("to", _type(node.to))
    elif node.to.this == exp.DType.DOUBLE and not isinstance(node.this, exp.Literal):
        value = node.this.transform(_casts)
        halves = sqlglot.parse_one(_IN_HALVES, read="duckdb")
        return halves.transform(lambda part: value.copy() if isinstance(part, exp.Column) else part)
    return node


def _quotients(node: exp.Expression) -> exp.Expression:
    """`/` gives a float in DuckDB, whatever it divides; Spark would divide two decimals as decimals."""
    if isinstance(node, exp.Div) and not (_is_float(node.this) or _is_float(node.expression)):
        node.set("this", exp.cast(node.this.copy(), "double"))
    return node


def _is_float(node: exp.Expression) -> bool:
    if isinstance(node, exp.Literal):
        return "e" in node.name.lower()
    return isinstance(node, exp.Cast) and bool(node.to.this == exp.DType.DOUBLE)


def _widen(total: exp.Sum) -> None:
    """DuckDB sums whole numbers in 128 bits, Spark in 64. Two sums of 64 bits, of the halves of each number, cost far
    less than one of decimals. Floats are summed nowhere, for their sum depends on their order: Spark refuses them here.
    """
    outer = total.parent if isinstance(total.parent, exp.Filter) else total
    above = outer.parent
    if isinstance(above, exp.Cast) and above.to.this == exp.DType.BIGINT:
        return  # what has to fit into 64 bits may be summed in them; an overflow is an error on both
    if isinstance(above, exp.Window):
        total.set("this", exp.cast(total.this.copy(), WIDE))
        return

    def again(function: str, term: str) -> exp.Expression:
        term_of = sqlglot.parse_one(term, read="duckdb").transform(
            lambda part: exp.Paren(this=total.this.copy()) if isinstance(part, exp.Column) else part
        )
        made: exp.Expression = exp.Min(this=term_of) if function == "min" else exp.Sum(this=term_of)
        if outer is not total:
            made = exp.Filter(this=made, expression=outer.expression.copy())
        return made

    parts = {
        "kind": again("min", "x"),
        "whole": again("sum", f"cast(x as {WIDE})"),
        "high": again("sum", f"x // {_HALF}"),
        "low": again("sum", f"x % {_HALF}"),
    }
    wide = sqlglot.parse_one(
        f"(case when typeof(kind) like 'decimal%' then whole"
        f" else cast(cast(high as {WIDE}) * {_HALF} + low as {WIDE}) end)",
        read="duckdb",
    )
    outer.replace(wide.transform(lambda part: parts[part.name] if isinstance(part, exp.Column) else part))


def _rows_in(node: exp.Expression) -> exp.Expression:
    """`(a, b) in (select (a, b) …)`: Spark compares a row with two columns, not with one that holds a row."""
    if isinstance(node, exp.In) and isinstance(node.this, exp.Tuple) and (query := node.args.get("query")):
        select = query.find(exp.Select)
        if len(select.expressions) == 1 and isinstance(select.expressions[0], exp.Tuple):
            select.set("expressions", select.expressions[0].expressions)
    return node


def _spread_lists_outside(select: exp.Select) -> None:
    """`unnest(list(…) over (…))`: Spark spreads no list that is made in the same select, so it is made in one below."""
    for column in select.expressions:
        spread = column.unalias()
        if isinstance(spread, exp.Explode) and isinstance(spread.this, exp.Window):
            made = spread.this.copy()
            spread.set("this", exp.column("spread_list"))
            below = exp.Select(expressions=[exp.Star(), exp.alias_(made, "spread_list")])
            for part in ("from_", "joins", "where"):
                if select.args.get(part):
                    below.set(part, select.args[part])
                    select.set(part, None)
            select.set("from_", exp.From(this=below.subquery("made_below")))


SAME_FUNCTIONS = {
    "hash": "xxhash64",
    "epoch_us": "unix_micros",
    "make_timestamptz": "timestamp_micros",
    "list_position": "array_position",
}
RULES: tuple[Callable[[exp.Expression], exp.Expression], ...] = (_functions, _rows_in, _quotients, _casts)
