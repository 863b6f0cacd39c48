"""The way into Supabase where only the URL and the secret key are known: batches over the API.

There is no transaction around the batches. Each one is all or nothing, they go in the order of their
references, and rows that are there already are skipped: a run that was stopped goes on when it is started
again.
"""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from postgrest.exceptions import APIError

from core.errors import BadInput
from core.settings import Settings
from data.load import MAX_DAYS, Batch, LoadError, Note
from data.world import DAY_US
from supabase_conn import job_client

ROWS = 2000
PAGE = 1000
# Name, table of the database, key, the columns by which a row is known to be the same one.
_TABLES = (
    ("users", "users", "id", ("created_at",)),
    ("user_info", "user_info", "user_id", ()),
    ("documents", "documents", "id", ("user_id", "storage_path")),
    ("videos", "videos", "id", ("creator_id", "created_at")),
    ("events", "event", "event_id", ("ts", "video_id", "user_id", "event_type")),
)


def known_ids(settings: Settings) -> tuple[pa.Array, pa.Array]:
    """Ids of all users and of all videos in the database."""
    client, schema = job_client(settings), pa.schema([("id", pa.int64())])
    users, videos = (
        _existing(client, name, "id", schema, ["id"], 0, None)["id"].combine_chunks() for name in ("users", "videos")
    )
    return users, videos


def load(settings: Settings, batch: Batch, *, note: Note | None = None) -> dict[str, int]:
    """Loads a batch; returns the number of new rows by table. Raises BadInput for ids that are taken, and
    LoadError.
    """
    client = job_client(settings)
    say = note or (lambda _: None)
    todo = {}
    for name, table, key, same in _TABLES:
        if name in batch.tables:
            say(f"comparing {name}")
            todo[name] = _missing(client, batch, name, table, key, same)
    if "events" in batch.tables:
        _make_partitions(client, batch.tables["events"])
    new = {}
    for name, table, key, _ in _TABLES:
        if name in todo:
            new[name] = todo[name].num_rows
            _send(client, table, key, _rows_of(name, todo[name]), lambda sent, name=name: say(f"{name}: {sent:,} sent"))
    if "user_info" in batch.tables:
        _link_info(client, batch)
    if "payments" in batch.tables:
        say("posting payments")
        new["payments"] = sum(not _pay(client, row) for row in batch.tables["payments"].to_pylist())
    if any(new[name] for name in todo):
        _call(client.rpc("advance_id_sequences", {}))
    return new


def _missing(client: Any, batch: Batch, name: str, table: str, key: str, same: tuple[str, ...]) -> pa.Table:
    """The rows whose key is not in the database yet. Raises BadInput where a key belongs to another row."""
    rows = batch.tables[name]
    if rows.num_rows == 0:
        return rows
    span = pc.min_max(rows[key])
    there = _existing(client, table, key, rows.schema, [key, *same], span["min"].as_py(), span["max"].as_py())
    position = pc.index_in(rows[key], value_set=there[key].combine_chunks())
    known = np.flatnonzero(position.is_valid())
    own, other = rows.take(pa.array(known)), there.take(position.drop_null())
    differs = pa.array(np.zeros(len(known), bool))
    for column in same:
        equal = pc.equal(own[column], other[column])
        both_null = pc.and_(own[column].is_null(), other[column].is_null())
        differs = pc.or_(differs, pc.invert(pc.or_(pc.fill_null(equal, False), both_null)))
    differs = pc.and_(differs, pc.invert(pc.is_in(own[key], pa.array(batch.signed_up, pa.int64()))))
    if pc.any(differs).as_py():
        at = pc.index(differs, True).as_py()
        raise BadInput(
            f"{own[key][at].as_py()} is the id of another row in the database; {batch.advice}",
            file=batch.files.get(name, name),
            column=key,
            row=int(known[at]) + 1,
        )
    return rows.filter(position.is_null())


def _existing(
    client: Any, table: str, key: str, schema: pa.Schema, columns: list[str], low: int, high: int | None
) -> pa.Table:
    """All rows with `low <= key <= high`, in pages by key: an offset would skip rows, and a page has a limit.

    One Arrow batch a page, so that a million rows are not a million objects.
    """
    wanted = pa.schema([schema.field(column) for column in columns])
    pages = [wanted.empty_table()]
    after = low - 1
    while True:
        query = client.table(table).select(",".join(columns)).gt(key, after).order(key).limit(PAGE)
        rows = _call(query if high is None else query.lte(key, high)).data
        if not rows:
            return pa.concat_tables(pages)
        page = {}
        for at in wanted:
            values = pa.array([row[at.name] for row in rows])
            page[at.name] = values.cast(at.type)
        pages.append(pa.table(page, schema=wanted))
        after = rows[-1][key]


def _rows_of(name: str, table: pa.Table) -> pa.Table:
    """Columns as the database has them."""
    if name == "users":
        for flag in ("is_creator", "likely_bot"):
            at = table.schema.get_field_index(flag)
            table = table.set_column(at, flag, pc.fill_null(table[flag], False))
    if name == "user_info":
        table = table.append_column("id", table["user_id"])
    return table


def _send(client: Any, table: str, key: str, rows: pa.Table, sent: Any) -> None:
    target = "event_id,ts" if table == "event" else key
    for start in range(0, rows.num_rows, ROWS):
        part = [_json(row) for row in rows.slice(start, ROWS).to_pylist()]
        _call(client.table(table).upsert(part, on_conflict=target, ignore_duplicates=True))
        sent(start + len(part))


def _json(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in row.items()}


def _link_info(client: Any, batch: Batch) -> None:
    users = batch.tables["user_info"]["user_id"]
    own = [{"id": user, "user_info_id": user} for user in users.to_pylist() if user not in batch.signed_up]
    for start in range(0, len(own), ROWS):
        _call(client.table("users").upsert(own[start : start + ROWS], on_conflict="id"))
    info = batch.tables["user_info"].filter(pc.is_in(users, pa.array(batch.signed_up, pa.int64()))).to_pylist()
    people = batch.tables["users"]
    for row in people.filter(pc.is_in(people["id"], pa.array(batch.signed_up, pa.int64()))).to_pylist():
        _call(client.table("users").update(_json(row)).eq("id", row["id"]).is_("kyc_level", "null"))
    for row in info:
        _call(client.table("user_info").update(row).eq("user_id", row["user_id"]).is_("first_name", "null"))


def _make_partitions(client: Any, events: pa.Table) -> None:
    """Asks for each run of days in a row."""
    days = np.unique(events["ts"].cast(pa.int64()).to_numpy() // DAY_US)
    if len(days) > MAX_DAYS:
        raise BadInput(f"the events lie on {len(days)} different days; bring at most {MAX_DAYS} days at once")
    for run in np.split(days, np.flatnonzero(np.diff(days) > 1) + 1):
        if len(run):
            first, last = (str(np.datetime64(int(day), "D")) for day in (run[0], run[-1]))
            _call(client.rpc("ensure_event_partitions", {"p_from": first, "p_to": last}))


def _pay(client: Any, payment: dict[str, Any]) -> bool:
    """Posts one payment; tells whether it was there before."""
    cents = payment["amount_cents"]
    entries = [
        {"kind": "platform_revenue", "amount_cents": -cents},
        {"kind": "creator_available", "user_id": payment["user_id"], "amount_cents": cents},
    ]
    answer = _call(
        client.rpc(
            "post_ledger_transaction",
            {
                "p_idempotency_key": payment["idempotency_key"],
                "p_kind": payment["kind"],
                "p_entries": entries,
                "p_event_at": payment["event_at"].isoformat(),
                "p_memo": payment["memo"],
            },
        )
    )
    return bool(answer.data["replayed"])


def _call(query: Any) -> Any:
    """Runs one request; what the API refuses becomes one sentence."""
    try:
        return query.execute()
    except APIError as error:
        raise LoadError(f"the API refused the data: {error.message}; the same command goes on from here") from error
    except httpx.HTTPError as error:
        raise LoadError(f"the API does not answer ({error}); the same command goes on from here") from error
