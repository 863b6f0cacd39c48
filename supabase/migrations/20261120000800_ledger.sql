-- Why: the one place where money is written down. Double entry in integer cents: every transaction has two or more
-- entries that sum to zero, one currency each. Positive amounts raise an account, negative ones lower it.
--
-- Accounts (kind): whose                      may be negative
--   platform_revenue        the platform     yes: minus what the platform has given into creator pools
--   pool_clearing           the platform     no:  a pool between revenue and creators; 0 after each close
--   platform_fee            the platform     no:  the fee kept from allocations
--   residual                the platform     no:  what nobody could take of a pool
--   creator_available       one creator      no:  can be paid out
--   creator_reserve         one creator      no:  safety reserve, released after the hold
--   creator_carried         one creator      no:  under the minimum, carried forward
--   creator_payout_pending  one creator      no:  on its way out
--   creator_receivable      one creator      yes: what a creator owes the platform
--   payouts_paid            the platform     no:  has left
--
-- Append-only four times over: no role may update or delete (service_role included), a row trigger, a truncate trigger,
-- and corrections are reversals. `post_ledger_transaction` is the only writer.

create table public.ledger_accounts (
  id bigint generated always as identity primary key,
  kind text not null,
  user_id bigint references public.users (id),
  currency text not null,
  balance_cents bigint not null default 0,
  version bigint not null default 0,
  allow_negative boolean not null generated always as (kind in ('platform_revenue', 'creator_receivable')) stored,
  created_at timestamptz not null default now(),
  constraint account_kind_is_known check (kind in (
    'platform_revenue', 'platform_fee', 'pool_clearing', 'residual', 'creator_available', 'creator_reserve',
    'creator_carried', 'creator_payout_pending', 'creator_receivable', 'payouts_paid')),
  constraint creator_accounts_have_an_owner check (starts_with(kind, 'creator_') = (user_id is not null)),
  constraint account_currency_is_three_letters check (currency ~ '^[A-Z]{3}$'),
  constraint no_overdraft check (allow_negative or balance_cents >= 0)
) with (fillfactor = 60); -- room for the next balance on the same page: no index is touched by an update
comment on table public.ledger_accounts is 'Accounts with their running balance. Kinds are explained in the migration.';
comment on column public.ledger_accounts.version is 'How many entries the account has; the latest entry carries this number.';
comment on column public.ledger_accounts.allow_negative is 'Follows from the kind.';
-- One account per kind, owner and currency. -1 stands for "the platform": a null could be found by no index.
create unique index one_account_per_kind_owner_and_currency
  on public.ledger_accounts (kind, coalesce(user_id, -1), currency);
create index ledger_accounts_by_user on public.ledger_accounts (user_id) where user_id is not null;

create table public.ledger_transactions (
  id bigint generated always as identity primary key,
  idempotency_key text not null,
  kind text not null,
  request_hash text not null,
  currency text not null,
  event_at timestamptz not null,
  created_at timestamptz not null default now(),
  reverses bigint references public.ledger_transactions (id),
  memo text,
  revenue_window_id bigint,
  constraint one_transaction_per_idempotency_key unique (idempotency_key),
  constraint idempotency_key_is_not_empty check (length(idempotency_key) between 1 and 200),
  constraint transaction_kind_is_a_word check (kind ~ '^[a-z][a-z_]{1,39}$'),
  constraint transaction_currency_is_three_letters check (currency ~ '^[A-Z]{3}$')
);
create unique index one_reversal_per_transaction on public.ledger_transactions (reverses) where reverses is not null;
comment on table public.ledger_transactions is 'What happened, once per idempotency key.';
comment on column public.ledger_transactions.event_at is 'When it happened; created_at is when it was written.';
comment on column public.ledger_transactions.request_hash is 'SHA-256 of the request, to tell a retry from another request.';
comment on column public.ledger_transactions.reverses is 'The transaction that this one takes back, entry for entry.';

create table public.ledger_entries (
  id bigint generated always as identity primary key,
  transaction_id bigint not null references public.ledger_transactions (id),
  account_id bigint not null references public.ledger_accounts (id),
  amount_cents bigint not null,
  account_version bigint not null,
  balance_after_cents bigint not null,
  constraint no_zero_entry check (amount_cents <> 0),
  constraint versions_of_an_account_are_unique unique (account_id, account_version)
);
comment on table public.ledger_entries is 'Entries, each with its account''s number and balance after it.';
create index ledger_entries_by_transaction on public.ledger_entries (transaction_id);

alter table public.ledger_accounts enable row level security;
alter table public.ledger_transactions enable row level security;
alter table public.ledger_entries enable row level security;
revoke all on public.ledger_accounts, public.ledger_transactions, public.ledger_entries
  from public, anon, authenticated, service_role;
revoke all on sequence public.ledger_accounts_id_seq, public.ledger_transactions_id_seq, public.ledger_entries_id_seq
  from public, anon, authenticated, service_role;
grant select on public.ledger_accounts, public.ledger_entries to authenticated, service_role;
grant select on public.ledger_transactions to service_role;
-- Not the key and the hash: they are the caller's, and say more than the owner of an entry needs.
grant select (id, kind, currency, event_at, created_at, reverses, memo, revenue_window_id)
  on public.ledger_transactions to authenticated;

create policy "Creators read their own accounts" on public.ledger_accounts
  for select to authenticated using (user_id = (select public.my_user_id()));
create policy "Reviewers read every ledger account" on public.ledger_accounts
  for select to authenticated using ((select public.is_reviewer()));
create policy "Creators read the entries of their own accounts" on public.ledger_entries
  for select to authenticated
  using (account_id in (select a.id from public.ledger_accounts a where a.user_id = (select public.my_user_id())));
create policy "Reviewers read every ledger entry" on public.ledger_entries
  for select to authenticated using ((select public.is_reviewer()));
create policy "Creators read the transactions that touch their accounts" on public.ledger_transactions
  for select to authenticated
  using (id in (
    select e.transaction_id from public.ledger_entries e
    join public.ledger_accounts a on a.id = e.account_id where a.user_id = (select public.my_user_id())));
create policy "Reviewers read every ledger transaction" on public.ledger_transactions
  for select to authenticated using ((select public.is_reviewer()));

create trigger ledger_transactions_are_append_only before update or delete on public.ledger_transactions
  for each row execute function public.refuse_row_change();
create trigger ledger_transactions_are_never_truncated before truncate on public.ledger_transactions
  for each statement execute function public.refuse_truncate();
create trigger ledger_entries_are_append_only before update or delete on public.ledger_entries
  for each row execute function public.refuse_row_change();
create trigger ledger_entries_are_never_truncated before truncate on public.ledger_entries
  for each statement execute function public.refuse_truncate();

-- An account's balance moves only together with its version, and it never changes its owner, kind or currency. The
-- condition stands in the trigger, where it costs nothing on the hundreds of thousands of rows of a close.
create function public.refuse_account_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'a ledger account changes only through new entries and is never deleted'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'operation', tg_op)::text;
end
$$;
comment on function public.refuse_account_change() is 'Trigger: balances move only with new entries.';
revoke all on function public.refuse_account_change() from public, anon, authenticated, service_role;
create trigger ledger_accounts_move_with_entries before update on public.ledger_accounts
  for each row when (
    new.version <= old.version
    or (new.id, new.kind, new.user_id, new.currency) is distinct from (old.id, old.kind, old.user_id, old.currency))
  execute function public.refuse_account_change();
create trigger ledger_accounts_are_never_deleted before delete on public.ledger_accounts
  for each row execute function public.refuse_account_change();
create trigger ledger_accounts_are_never_truncated before truncate on public.ledger_accounts
  for each statement execute function public.refuse_truncate();
