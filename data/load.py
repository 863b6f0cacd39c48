"""Tables into Postgres over a bulk connection: everything in one transaction, or nothing.

The rows are copied into temporary tables and go on from there in a handful of statements. Rows whose id is
there already stay as they are, so that loading twice changes nothing; an id that belongs to *another* row is
refused. Every step is one set-based statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from adbc_driver_postgresql import dbapi as adbc

from core.errors import BadInput, FairshareError
from core.settings import Settings
from supabase_conn import bulk_connection, bulk_refusals

#: More days than this in one transaction would need more locks than a plain Postgres has.
MAX_DAYS = 1000
Note = Callable[[str], None]


class LoadError(FairshareError):
    """The database refused what the checks had let through; nothing was written."""


@dataclass(frozen=True)
class Batch:
    """Tables by their names (`users`, `videos`, `events`, `user_info`, `documents`, `payments`); all
    optional.

    `user_info` is sealed already. `signed_up` are users whose row a sign-up made before: it is completed,
    once. `files` are the names to show in an error, by table.
    """

    tables: Mapping[str, pa.Table]
    signed_up: tuple[int, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    advice: str = "nothing was written"


# For each table: rows of another kind that have one of the new ids. What a reviewer or a scorer may change is
# not compared; what makes a row the one that it is, is.
_CONFLICTS = {
    "users": """
        select s.stage_row, s.id from stage_users s join public.users t on t.id = s.id
        where t.created_at is distinct from s.created_at
          and not exists (select from stage_signed_up m where m.id = s.id)
        order by 1 limit 1""",
    "videos": """
        select s.stage_row, s.id from stage_videos s join public.videos t on t.id = s.id
        where (t.creator_id, t.created_at) is distinct from (s.creator_id, s.created_at)
        order by 1 limit 1""",
    "events": """
        select s.stage_row, s.event_id from stage_events s join public.event t on t.event_id = s.event_id
        where (t.ts, t.video_id, t.user_id, t.event_type) is distinct from (s.ts, s.video_id, s.user_id,
        s.event_type) order by 1 limit 1""",
    "documents": """
        select s.stage_row, s.id from stage_documents s join public.documents t on t.id = s.id
        where (t.user_id, t.storage_path) is distinct from (s.user_id, s.storage_path)
        order by 1 limit 1""",
}
_INSERTS = {
    "users": """
        insert into public.users
          (id, created_at, is_creator, likely_bot, kyc_level, creator_trust_score, viewer_trust_score)
        select id, created_at, coalesce(is_creator, false), coalesce(likely_bot, false), kyc_level::smallint,
          creator_trust_score, viewer_trust_score
        from stage_users order by id on conflict (id) do nothing""",
    "user_info": """
        insert into public.user_info
          (id, user_id, first_name, last_name, date_of_birth, nationality, address, phone, email)
        select user_id, user_id, first_name, last_name, date_of_birth, nationality, address, phone, email
        from stage_user_info s
        where not exists (select from public.user_info t where t.user_id = s.user_id)
        order by user_id""",
    "documents": """
        insert into public.documents (id, user_id, created_at, kind, storage_path, status, reason_code)
        select id, user_id, created_at, kind, storage_path, status, reason_code
        from stage_documents order by id on conflict (id) do nothing""",
    "videos": """
        insert into public.videos (id, creator_id, created_at, title, duration_s, eis_current, eis_updated_at)
        select id, creator_id, created_at, title, duration_s, eis_current, eis_updated_at
        from stage_videos order by id on conflict (id) do nothing""",
    "events": """
        insert into public.event (event_id, video_id, user_id, event_type, ts, device_id, ip_hash)
        select event_id, video_id, user_id, event_type, ts, device_id, ip_hash
        from stage_events on conflict (event_id, ts) do nothing""",
}
# A sign-up leaves an account of unknown KYC without personal data: only that one is completed, and only once.
_COMPLETE_SIGN_UPS = (
    """
    update public.users t set created_at = s.created_at, is_creator = s.is_creator, kyc_level =
    s.kyc_level::smallint,
      creator_trust_score = s.creator_trust_score, viewer_trust_score = s.viewer_trust_score
    from stage_users s join stage_signed_up m on m.id = s.id
    where t.id = s.id and t.kyc_level is null""",
    """
    update public.user_info t set first_name = s.first_name, last_name = s.last_name, date_of_birth =
    s.date_of_birth,
      nationality = s.nationality, address = s.address, phone = s.phone, email = s.email
    from stage_user_info s join stage_signed_up m on m.id = s.user_id
    where t.user_id = s.user_id and t.first_name is null and t.email is null""",
)
_LINK_INFO = """
    update public.users u set user_info_id = i.id
    from public.user_info i join stage_user_info s on s.user_id = i.user_id
    where u.id = i.user_id and u.user_info_id is null"""
# The ledger function answers a payment that it knows with the first result.
_PAY = """
    select count(*) filter (where not (r.answer ->> 'replayed')::boolean) from (
      select public.post_ledger_transaction(
        s.idempotency_key, s.kind, jsonb_build_array(
          jsonb_build_object('kind', 'platform_revenue', 'amount_cents', -s.amount_cents),
          jsonb_build_object('kind', 'creator_available', 'user_id', s.user_id, 'amount_cents',
          s.amount_cents)),
        s.event_at, s.memo) as answer
      from (select * from stage_payments order by stage_row) s) r"""
_PARTITIONS = """
    select sum(public.ensure_event_partitions(d, d)) from (
      select distinct (ts at time zone 'UTC')::date as d from stage_events order by 1) days"""
ORDER = ("users", "user_info", "documents", "videos", "events", "payments")


def load(settings: Settings, batch: Batch, *, note: Note | None = None) -> dict[str, int]:
    """Loads a batch; returns the number of new rows by table. Raises BadInput for ids that are taken, and
    LoadError.

    Needs `SUPABASE_DB_URL`. Nothing is written unless everything is.
    """
    con = bulk_connection(settings)
    if con is None:
        raise LoadError("SUPABASE_DB_URL is not set; a bulk load needs it")
    say = note or (lambda _: None)
    with closing(con), closing(con.cursor()) as cur:
        with bulk_refusals(lambda reason: LoadError(f"the database refused the data: {reason}")):
            new = _load(cur, batch, say)
        con.commit()
    return new


def _load(cur: adbc.Cursor, batch: Batch, say: Note) -> dict[str, int]:
    tables = {name: batch.tables[name] for name in ORDER if name in batch.tables}
    signed_up = pa.table({"id": pa.array(batch.signed_up, pa.int64())})
    cur.adbc_ingest("stage_signed_up", signed_up, mode="create", temporary=True)
    for name, table in tables.items():
        say(f"copying {name}")
        rows = pa.array(np.arange(1, table.num_rows + 1))
        cur.adbc_ingest(f"stage_{name}", table.append_column("stage_row", rows), mode="create", temporary=True)
        cur.execute(f"analyze stage_{name}")
    for name in tables:
        _refuse_conflicts(cur, name, batch)
    if "events" in tables:
        _make_partitions(cur)
    new = {}
    for name in tables:
        say(f"inserting {name}")
        if name == "payments":
            new[name] = _number(cur, _PAY)
            continue
        cur.execute(_INSERTS[name])
        new[name] = cur.rowcount
    if "user_info" in tables:
        cur.execute(_LINK_INFO)
    if batch.signed_up:
        for statement in _COMPLETE_SIGN_UPS:
            cur.execute(statement)
    if any(new[name] for name in new if name != "payments"):
        _number(cur, "select 1 from public.advance_id_sequences()")
    return new


def _refuse_conflicts(cur: adbc.Cursor, name: str, batch: Batch) -> None:
    if name not in _CONFLICTS:
        return
    cur.execute(_CONFLICTS[name])
    found = cur.fetchone()
    if found is None:
        return
    row, key = found
    raise BadInput(
        f"{key} is the id of another row in the database; {batch.advice}",
        file=batch.files.get(name, name),
        column="event_id" if name == "events" else "id",
        row=int(row),
    )


def _make_partitions(cur: adbc.Cursor) -> None:
    days = _number(cur, "select count(distinct (ts at time zone 'UTC')::date) from stage_events")
    if days > MAX_DAYS:
        raise BadInput(f"the events lie on {days} different days; bring at most {MAX_DAYS} days at once")
    if days:
        _number(cur, _PARTITIONS)


def _number(cur: adbc.Cursor, query: str) -> int:
    cur.execute(query)
    row = cur.fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def known_ids(settings: Settings) -> tuple[pa.Array, pa.Array]:
    """Ids of all users and of all videos in the database."""
    con = bulk_connection(settings)
    if con is None:
        raise LoadError("SUPABASE_DB_URL is not set; a bulk load needs it")
    with closing(con), closing(con.cursor()) as cur:
        found = []
        for query in ("select id from public.users", "select id from public.videos"):
            cur.execute(query)
            found.append(cur.fetch_arrow_table()["id"].combine_chunks())
    return found[0], found[1]
