"""Who may do what, found out by trying: every table × actor × verb, every function × actor, every sequence × role.

The catalog says what there is; each cell is then attempted for real on the owner's row, and after a denial the row is
read again. `rendered` writes the outcome in the form of access_matrix.txt.

Letters: s select, i insert, u update, d delete, t truncate, - denied. A letter means that the actor reached the
owner's row, or may add one in the owner's name; rows of their own are another matter and tested by name elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from tests.db.world import ACTORS, World, acting_as, one

FILE = Path(__file__).with_name("access_matrix.txt")
ROLES = ("anon", "authenticated", "service_role")
VERBS = {"s": "select", "i": "insert", "u": "update", "d": "delete", "t": "truncate"}
#: Duplicate key, overlap, append-only guard, final scores: the rights were there.
_BEHIND_THE_DOOR = {"23505", "23P01", "22Z10", "22Z60"}
#: No right; or a view that can not be written to at all.
_DENIED = {"42501", "55000", "42809"}


class Found(Exception):
    """Carries an allowed attempt out of its transaction, so that it leaves no trace."""


@dataclass(frozen=True)
class Relation:
    """A table or view of the catalog; `shown` is its name in the file."""

    name: str
    shown: str
    columns: tuple[str, ...]
    #: Columns that an insert may name.
    writable: tuple[str, ...]
    #: Columns that tell its rows apart.
    key: tuple[str, ...]


def relations(db: psycopg.Connection) -> list[Relation]:
    """Every table, view and partition of public. All day partitions must be alike: the first one stands for them."""
    rows = db.execute(
        """
        select c.relname, array_agg(a.attname::text order by a.attnum),
          array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '' and a.attidentity <> 'a'),
          array_agg(a.attname::text order by a.attnum) filter (where a.attnum = any(i.indkey))
        from pg_class c
        left join pg_index i on i.indrelid = c.oid and i.indisprimary
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
        group by c.relname order by c.relname
        """
    ).fetchall()
    found = {}
    for name, columns, writable, key in rows:
        shown = re.sub(r"^event_\d{8}$", "event_<day>", name)
        # A view has no key: its first column tells its rows apart.
        found.setdefault(shown, Relation(name, shown, tuple(columns), tuple(writable or ()), tuple(key or columns[:1])))
    return sorted(found.values(), key=lambda relation: relation.shown)


def table_lines(db: psycopg.Connection, world: World, only: Iterable[str] | None = None) -> list[str]:
    """One line a table: the letters of each actor."""
    chosen = [r for r in relations(db) if only is None or r.shown in only]
    return [_line(r.shown, [_letters(db, world, r, actor) for actor in ACTORS]) for r in chosen]


def function_lines(db: psycopg.Connection, world: World, only: Iterable[str] | None = None) -> list[str]:
    """One line a function: x where the actor gets past the door, - where not."""
    rows = db.execute(
        "select p.oid::regprocedure::text, p.proname, array(select format_type(t, null) from unnest(p.proargtypes) t) "
        "from pg_proc p where p.pronamespace = 'public'::regnamespace and p.prokind = 'f' order by 1"
    ).fetchall()
    lines = []
    for signature, name, types in rows:
        if only is None or name in only:
            shown = re.sub(r"\(.*", "", signature) + f"/{len(types)}"
            cells = ["x" if _may_call(db, world, name, types, actor) else "-" for actor in ACTORS]
            lines.append(_line(shown, cells))
    return lines


def column_lines(db: psycopg.Connection) -> list[str]:
    """Rights that reach some columns only."""
    rows = db.execute(
        """
        select c.relname, r.rolname, lower(p.privilege), string_agg(a.attname, ' ' order by a.attnum)
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        cross join unnest(array['SELECT', 'INSERT', 'UPDATE']) p(privilege)
        cross join pg_roles r
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')
          and r.rolname = any(%s)
          and has_column_privilege(r.oid, c.oid, a.attnum, p.privilege)
          and not has_table_privilege(r.oid, c.oid, p.privilege)
        group by 1, 2, 3 order by 1, 2, 3
        """,
        (list(ROLES),),
    ).fetchall()
    return [f"{table} {verb} {role}: {columns}" for table, role, verb, columns in rows]


def sequence_lines(db: psycopg.Connection) -> list[str]:
    """u usage, s select, w update (setval), for each database role."""
    rows = db.execute(
        "select c.relname, c.oid from pg_class c "
        "where c.relnamespace = 'public'::regnamespace and c.relkind = 'S' order by 1"
    ).fetchall()
    lines = []
    for name, oid in rows:
        cells = []
        for role in ROLES:
            rights = [
                letter if one(db, "select has_sequence_privilege(%s::name, %s::oid, %s)", role, oid, right) else "-"
                for letter, right in (("u", "usage"), ("s", "select"), ("w", "update"))
            ]
            cells.append("".join(rights))
        lines.append(_line(name, cells))
    return lines


def observed(db: psycopg.Connection, world: World) -> dict[str, list[str]]:
    """All sections of the file, as this database behaves."""
    return {
        "tables": table_lines(db, world),
        "columns": column_lines(db),
        "functions": function_lines(db, world),
        "sequences": sequence_lines(db),
    }


def written(path: Path = FILE) -> dict[str, list[str]]:
    """The sections of the file. Lines that begin with # are remarks."""
    sections: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), [])
        elif line.strip() and not line.startswith("#"):
            current.append(line.rstrip())
    return sections


def rendered(sections: dict[str, list[str]]) -> str:
    """The text of the sections, for whoever has to change the file."""
    heads = {"tables": ACTORS, "functions": ACTORS, "sequences": ROLES}
    parts = []
    for name, lines in sections.items():
        head = ["# " + _line("", list(heads[name]))[2:]] if name in heads else []
        parts.append("\n".join([f"[{name}]", *head, *lines]))
    return "\n\n".join(parts) + "\n"


# -- attempts -------------------------------------------------------------------------------------------------------


def _letters(db: psycopg.Connection, world: World, relation: Relation, actor: str) -> str:
    return "".join(letter if _may(db, world, relation, actor, verb) else "-" for letter, verb in VERBS.items())


def _may(db: psycopg.Connection, world: World, relation: Relation, actor: str, verb: str) -> bool:
    before = _rows(db, relation)
    row = _owners_row(db, world, relation, before)
    try:
        with acting_as(db, actor, world):
            if _attempt(db, relation, verb, row):
                raise Found  # noqa: TRY301  it has to leave the transaction
    except Found:
        return True
    except psycopg.Error as error:
        # Duplicate key, overlap or an append-only guard: the right itself is there, and that is what counts here.
        if error.sqlstate in _BEHIND_THE_DOOR:
            return True
        if error.sqlstate not in _DENIED:
            raise
    assert _rows(db, relation) == before, f"{actor} was denied {verb} on {relation.name}, and yet it changed"
    return False


def _attempt(db: psycopg.Connection, relation: Relation, verb: str, row: dict[str, object]) -> bool:
    """Runs the verb as the current role; True when it reached the given row."""
    table = sql.Identifier("public", relation.name)
    if verb == "truncate":
        db.execute(sql.SQL("truncate {} cascade").format(table))
        return True
    if verb == "insert":
        names = sql.SQL(", ").join(map(sql.Identifier, relation.writable))
        picked = sql.SQL(", ").join(sql.SQL("(r).{}").format(sql.Identifier(n)) for n in relation.writable)
        source = sql.SQL("select {} from (select jsonb_populate_record(null::{}, %s::jsonb) as r) s")
        query = sql.SQL("insert into {} ({}) ").format(table, names) + source.format(picked, table)
        return db.execute(query, (Jsonb(row),)).rowcount > 0
    if verb == "select":
        keys = sql.SQL(", ").join(map(sql.Identifier, relation.key))
        query = sql.SQL("select jsonb_build_array({}) from {}").format(keys, table)
        return [row[name] for name in relation.key] in [found[0] for found in db.execute(query)]
    place = _place(db, relation, row)
    if verb == "delete":
        db.execute(sql.SQL("delete from {}").format(table))
        return _place(db, relation, row) != place
    return any(_updates(db, relation, column, row, place) for column in relation.writable)


def _updates(db: psycopg.Connection, relation: Relation, column: str, row: dict[str, object], place: object) -> bool:
    """One column at a time, since a right may reach some columns only."""
    table, name = sql.Identifier("public", relation.name), sql.Identifier(column)
    # By way of the table's own type, for a list may be an array or JSON.
    value = sql.SQL("(jsonb_populate_record(null::{}, %s::jsonb)).{}").format(table, name)
    query = sql.SQL("update {} set {} = {}").format(table, name, value)
    with _skipping_denials(db):
        db.execute(query, (Jsonb({column: row[column]}),))
        return _place(db, relation, row) != place
    return False


def _place(db: psycopg.Connection, relation: Relation, row: dict[str, object]) -> object:
    """Where the row lies: an update moves it, a delete removes it. Looked up with the test's own rights."""
    role = one(db, "select current_setting('role')")
    if one(db, "select relkind = 'v' from pg_class where oid = %s::regclass", f"public.{relation.name}"):
        return None
    matches = sql.SQL(" and ").join(sql.SQL("to_jsonb({}) = %s").format(sql.Identifier(n)) for n in relation.key)
    db.execute("reset role")
    query = sql.SQL("select tableoid::text || ctid::text from {} where ").format(
        sql.Identifier("public", relation.name)
    )
    found = db.execute(query + matches, [Jsonb(row[name]) for name in relation.key]).fetchone()
    db.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
    return found


def _owners_row(
    db: psycopg.Connection, world: World, relation: Relation, rows: list[dict[str, object]]
) -> dict[str, object]:
    """The owner's row, or any where rows belong to nobody."""
    if not rows:
        raise AssertionError(f"{relation.name} has no row to try: add one to tests/db/world.py")
    owner = world.users["owner"]
    accounts = {row[0] for row in db.execute("select id from ledger_accounts where user_id = %s", (owner,))}
    for row in rows:
        belongs = (
            owner in (row.get("creator_id"), row.get("recipient"), row["id"] if relation.name == "users" else None)
            or (row.get("user_id") == owner and "video_id" not in row)
            or row.get("video_id") == world.videos["owner"]
            or row.get("account_id") in accounts
        )
        if belongs:
            return row
    return rows[0]


@contextmanager
def _skipping_denials(db: psycopg.Connection) -> Iterator[None]:
    try:
        with db.transaction():
            yield
    except psycopg.Error as error:
        if error.sqlstate not in _DENIED:
            raise


def _rows(db: psycopg.Connection, relation: Relation) -> list[dict[str, object]]:
    query = sql.SQL("select to_jsonb(t) from {} t order by to_jsonb(t)::text").format(
        sql.Identifier("public", relation.name)
    )
    return [row[0] for row in db.execute(query)]


def _may_call(db: psycopg.Connection, world: World, name: str, types: list[str], actor: str) -> bool:
    """Calls with nulls: whoever has the right meets another error or an answer, and it is undone."""
    arguments = sql.SQL(", ").join(sql.SQL("null::{}").format(sql.SQL(t)) for t in types)  # type: ignore[arg-type]
    query = sql.SQL("select public.{}({})").format(sql.Identifier(name), arguments)
    try:
        with acting_as(db, actor, world):
            db.execute(query)
            raise Found  # noqa: TRY301  it has to leave the transaction
    except Found:
        return True
    except psycopg.Error as error:
        return error.sqlstate != "42501"


def _line(name: str, cells: list[str]) -> str:
    return f"{name:<28}" + "".join(f"{cell:<14}" for cell in cells).rstrip()
