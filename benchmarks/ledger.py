"""Transfers a second: our ledger beside two plain ones, on the same server, in one run, by pgbench.

The plain ledgers are written here from the published description of pgledger (one row per transfer, two entries with
the balances before and after, accounts locked in order, balances updated under the lock, metadata, a time of the
event); none of its code is here. `text_ids` has identifiers as it describes them, a prefix and 26 letters made from a
UUIDv7; `lean` has bare bigint and uuid keys, the least that such a ledger can do. Neither has what ours has: an
idempotency key, a check that the same key says the same, guards against change, reversals. Ours is
`post_ledger_transaction` as everything calls it.

`text_ids` is kinder to pgledger than pgledger is: the real one makes its identifiers in PL/pgSQL, calls four functions
inside one another, inserts entry by entry and keeps one more index; measured beside it, it reached half to nine tenths
of `text_ids` (docs/decisions/0063). Whoever has a copy can run it in the same run: `--pgledger FILE ...` takes its SQL
in order, the functions for its identifiers first.

Workload: 20 clients, each transfer moves 1 to 100 cents between two of 10, 50 or 1000 accounts drawn at random. Rounds
alternate; the medians of the rates and of the ratios within a round are shown.

    .venv/bin/python -P -m benchmarks.ledger --seconds 10 --rounds 3 [--pgledger FILE ...]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from local_stack.postgres import _BIN, SUPERUSER
from local_stack.stack import DATABASE, Stack

CLIENTS = 20
ACCOUNTS = (10, 50, 1000)
LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
NEW_ID = {
    "lean": "create function lean.new_id(p_prefix text) returns uuid language sql as 'select uuidv7()'",
    # 128 bits and two zeros in front, five bits a letter.
    "text_ids": f"""
create function text_ids.new_id(p_prefix text) returns text language sql as $$
  select p_prefix || string_agg(substr('{LETTERS}', 1 + substring(b.bits from n for 5)::int, 1), '' order by n)
  from (select b'00' || ('x' || replace(uuidv7()::text, '-', ''))::bit(128) as bits) b, generate_series(1, 126, 5) n
$$""",
}
TYPES = {
    "lean": {"account_id": "bigint", "row_id": "uuid", "account_of_n": "n"},
    "text_ids": {"account_id": "text", "row_id": "text", "account_of_n": "'a_' || lpad(n::text, 26, '0')"},
}
PLAIN = """
create table {schema}.accounts (
  id {account_id} primary key, name text not null, currency text not null, balance numeric not null default 0,
  version bigint not null default 0, allow_negative boolean not null, allow_positive boolean not null,
  created_at timestamptz not null default now(), updated_at timestamptz not null default now());
create table {schema}.transfers (
  id {row_id} primary key default {schema}.new_id('t_'),
  from_account_id {account_id} not null references {schema}.accounts,
  to_account_id {account_id} not null references {schema}.accounts, amount numeric not null check (amount > 0),
  created_at timestamptz not null, event_at timestamptz not null, metadata jsonb,
  check (from_account_id <> to_account_id));
create index on {schema}.transfers (from_account_id);
create index on {schema}.transfers (to_account_id);
create table {schema}.entries (
  id {row_id} primary key default {schema}.new_id('e_'),
  account_id {account_id} not null references {schema}.accounts,
  transfer_id {row_id} not null references {schema}.transfers, amount numeric not null,
  previous_balance numeric not null,
  current_balance numeric not null, version bigint not null, created_at timestamptz not null);
create index on {schema}.entries (account_id);
create index on {schema}.entries (transfer_id);
create function {schema}.transfer(p_from {account_id}, p_to {account_id}, p_amount numeric) returns {row_id}
language plpgsql as $$
declare
  v_transfer {row_id};
  v_from {schema}.accounts;
  v_to {schema}.accounts;
begin
  perform from {schema}.accounts where id in (p_from, p_to) order by id for update;
  insert into {schema}.transfers (from_account_id, to_account_id, amount, created_at, event_at)
  values (p_from, p_to, p_amount, now(), now()) returning id into v_transfer;
  update {schema}.accounts set balance = balance - p_amount, version = version + 1, updated_at = now()
  where id = p_from returning * into v_from;
  if not v_from.allow_negative and v_from.balance < 0 then raise exception 'overdraft'; end if;
  update {schema}.accounts set balance = balance + p_amount, version = version + 1, updated_at = now()
  where id = p_to returning * into v_to;
  if not v_to.allow_positive and v_to.balance > 0 then raise exception 'too much'; end if;
  insert into {schema}.entries
    (account_id, transfer_id, amount, previous_balance, current_balance, version, created_at)
  values (p_from, v_transfer, -p_amount, v_from.balance + p_amount, v_from.balance, v_from.version, now()),
    (p_to, v_transfer, p_amount, v_to.balance - p_amount, v_to.balance, v_to.version, now());
  return v_transfer;
end
$$;
insert into {schema}.accounts (id, name, currency, balance, allow_negative, allow_positive)
select {account_of_n}, 'account ' || n, 'USD', 1000000000, false, true from generate_series(1, 1000) n;
"""
OURS = """
insert into public.users (id, is_creator) select n, true from generate_series(1, 1000) n;
select public.post_ledger_transaction('start', 'bonus', (
  select jsonb_agg(e) from (
    select jsonb_build_object('kind', 'platform_revenue', 'amount_cents', -1000000000000) as e
    union all select jsonb_build_object('kind', 'creator_available', 'user_id', n, 'amount_cents', 1000000000)
    from generate_series(1, 1000) n) s), now());
"""
#: The key is the client's to make, as with everything that posts: a name of the round, the client, a running number.
DRAW = """\\set number :number + 1
\\set a random(1, :accounts)
\\set d random(1, :accounts - 1)
\\set b 1 + (:a - 1 + :d) % :accounts
\\set cents random(1, 100)
"""
SCRIPTS = {
    "lean": "select lean.transfer(:a, :b, :cents);\n",
    "text_ids": "select text_ids.transfer('a_' || lpad(:a::text, 26, '0'), 'a_' || lpad(:b::text, 26, '0'), :cents);\n",
    "ours": (
        "select public.post_ledger_transaction(concat(:round::text, '-', :client_id::text, '-', :number::text), "
        "'transfer', jsonb_build_array("
        "jsonb_build_object('kind', 'creator_available', 'user_id', :a::bigint, 'amount_cents', -(:cents::bigint)), "
        "jsonb_build_object('kind', 'creator_available', 'user_id', :b::bigint, 'amount_cents', :cents::bigint)), "
        "now());\n"
    ),
}


#: Its own accounts may go either way, as in its own measurement; its identifiers are of the length that it makes.
PGLEDGER_ACCOUNTS = """
insert into pgledger_accounts
  (id, name, currency, allow_negative_balance, allow_positive_balance, created_at, updated_at)
select 'pgla_' || lpad(n::text, 26, '0'), 'account ' || n, 'USD', true, true, now(), now()
from generate_series(1, 1000) n
"""
PGLEDGER_SCRIPT = (
    "select id from pgledger_create_transfer('pgla_' || lpad(:a::text, 26, '0'), 'pgla_' || lpad(:b::text, 26, '0'), "
    ":cents);\n"
)


def rate(stack: Stack, script: Path, *, accounts: int, seconds: int) -> float:
    """Transfers a second of one round; a failed transfer ends the run."""
    done = subprocess.run(
        [_BIN / "pgbench", "-n", "-c", str(CLIENTS), "-j", "2", "-T", str(seconds), "-D", f"accounts={accounts}",
         "-D", "number=0", "-D", f"round={time.time_ns()}",
         "-M", "prepared", "-f", script, "-h", str(stack.postgres.socket_dir), "-U", SUPERUSER, DATABASE],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
    tps = re.search(r"tps = ([\d.]+)", done.stdout)
    if done.returncode != 0 or tps is None or (failed and failed[1] != "0"):
        raise SystemExit(done.stdout + done.stderr)
    return float(tps[1])


def main() -> None:
    """Prints the median rates and what ours is of the plain one's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=10, help="of each round")
    parser.add_argument("--rounds", type=int, default=3, help="of each ledger and number of accounts")
    parser.add_argument(
        "--pgledger", type=Path, nargs="+", metavar="FILE", help="SQL of a copy of pgledger, run beside"
    )
    asked = parser.parse_args()
    scripts = SCRIPTS | ({"pgledger": PGLEDGER_SCRIPT} if asked.pgledger else {})
    others = [name for name in scripts if name != "ours"]
    stack = Stack(f"bench-ledger-{os.getpid()}")
    try:
        stack.migrate_only()
        with psycopg.connect(stack.postgres.url(DATABASE), autocommit=True) as db:
            for name, types in TYPES.items():
                db.execute(f"create schema {name}")
                db.execute(NEW_ID[name])
                db.execute(PLAIN.format(schema=name, **types))
            db.execute(OURS)
            for path in asked.pgledger or ():
                db.execute(path.read_bytes())
            if asked.pgledger:
                db.execute(PGLEDGER_ACCOUNTS)
        print("accounts" + "".join(f"{f'{name} /s':>14}" for name in scripts), end="")
        print("".join(f"{f'ours / {name}':>18}" for name in others))
        with tempfile.TemporaryDirectory() as folder:
            files = {name: Path(folder) / f"{name}.sql" for name in scripts}
            for name, text in scripts.items():
                files[name].write_text(DRAW + text)
            for accounts in ACCOUNTS:
                found: dict[str, list[float]] = {name: [] for name in scripts}
                for number in range(asked.rounds):
                    for name in list(scripts)[:: 1 if number % 2 else -1]:
                        found[name].append(rate(stack, files[name], accounts=accounts, seconds=asked.seconds))
                rates = {name: statistics.median(rounds) for name, rounds in found.items()}
                # Round by round, since what else the machine does weighs on the neighbours in time alike.
                shares = {
                    name: statistics.median(
                        ours / other for ours, other in zip(found["ours"], found[name], strict=True)
                    )
                    for name in others
                }
                line = "".join(f"{rates[name]:>14.0f}" for name in scripts)
                print(f"{accounts:>8}{line}" + "".join(f"{shares[name]:>18.2f}" for name in others), flush=True)
    finally:
        stack.remove()


if __name__ == "__main__":
    main()
