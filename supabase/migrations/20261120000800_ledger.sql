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
--
-- What a single value has to be is said by its type: a rule of a type is read when a value comes in, a rule of a table
-- at each statement, also at the ten thousandth that moves a balance and leaves kind and currency as they are.

create domain public.account_kind as text constraint account_kind_is_known check (value in (
  'platform_revenue', 'platform_fee', 'pool_clearing', 'residual', 'creator_available', 'creator_reserve',
  'creator_carried', 'creator_payout_pending', 'creator_receivable', 'payouts_paid'));
comment on domain public.account_kind is 'Which of an owner''s accounts; explained in the migration.';
create domain public.ledger_currency as text constraint ledger_currency_is_three_letters check (value ~ '^[A-Z]{3}$');
comment on domain public.ledger_currency is 'A currency''s three letters.';
create domain public.transaction_kind as text
  constraint transaction_kind_is_a_word check (value ~ '^[a-z][a-z_]+$' and length(value) <= 40);
comment on domain public.transaction_kind is 'A word that says why money moves.';
create domain public.posting_key as text
  constraint idempotency_key_is_not_empty check (length(value) between 1 and 200);
comment on domain public.posting_key is 'The caller''s name for one posting; used once.';
create domain public.entry_cents as bigint constraint no_zero_entry check (value <> 0);
comment on domain public.entry_cents is 'Cents that an entry adds or takes; never 0.';
revoke all on type public.account_kind, public.ledger_currency, public.transaction_kind, public.posting_key,
  public.entry_cents from public, anon, authenticated, service_role;

create table public.ledger_accounts (
  id bigint generated always as identity primary key,
  kind public.account_kind not null,
  user_id bigint references public.users (id),
  currency public.ledger_currency not null,
  balance_cents bigint not null default 0,
  version bigint not null default 0,
  allow_negative boolean not null,
  created_at timestamptz not null default now(),
  constraint no_overdraft check (allow_negative or balance_cents >= 0)
) with (fillfactor = 60); -- room for the next balance on the same page: no index is touched by an update
comment on table public.ledger_accounts is 'Accounts with their running balance. Kinds are explained in the migration.';
comment on column public.ledger_accounts.version is 'How many entries the account has; the latest entry carries this number.';
comment on column public.ledger_accounts.allow_negative is 'Follows from the kind; see the trigger.';
-- One account per kind, owner and currency. -1 stands for "the platform": a null could be found by no index.
create unique index one_account_per_kind_owner_and_currency
  on public.ledger_accounts (kind, coalesce(user_id, -1), currency);
create index ledger_accounts_by_user on public.ledger_accounts (user_id) where user_id is not null;

create table public.ledger_transactions (
  id bigint generated always as identity primary key,
  idempotency_key public.posting_key not null,
  kind public.transaction_kind not null,
  currency public.ledger_currency not null,
  event_at timestamptz not null,
  created_at timestamptz not null default now(),
  reverses bigint references public.ledger_transactions (id),
  memo text,
  revenue_window_id bigint,
  constraint one_transaction_per_idempotency_key unique (idempotency_key)
);
create unique index one_reversal_per_transaction on public.ledger_transactions (reverses) where reverses is not null;
comment on table public.ledger_transactions is 'What happened, once per idempotency key.';
comment on column public.ledger_transactions.event_at is 'When it happened; created_at is when it was written.';
comment on column public.ledger_transactions.reverses is 'The transaction that this one takes back, entry for entry.';

create table public.ledger_entries (
  id bigint generated always as identity,
  transaction_id bigint not null references public.ledger_transactions (id),
  account_id bigint not null references public.ledger_accounts (id),
  amount_cents public.entry_cents not null,
  account_version bigint not null,
  balance_after_cents bigint not null,
  constraint versions_of_an_account_are_unique primary key (account_id, account_version)
);
comment on table public.ledger_entries is
  'Entries, each with its account''s number (that names it) and balance after it; id is the order of all.';
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

-- An account opens empty and by the rules, its balance moves only together with its version, and it never changes its
-- owner, kind or currency. Conditions stand in the triggers, where they cost nothing on the hundreds of thousands of rows
-- of a close; and no trigger runs before a row is updated, as that would lock and read each account once more.
create function public.refuse_account() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'an account of kind % does not open like this', new.kind using errcode = 'check_violation',
    constraint = 'an_account_opens_empty_and_creators_own_theirs', table = tg_table_name;
end
$$;
comment on function public.refuse_account() is 'Trigger: refuses an account that opens against the rules.';
create trigger ledger_accounts_open_by_the_rules after insert on public.ledger_accounts
  for each row when (
    starts_with(new.kind, 'creator_') is distinct from (new.user_id is not null)
    or new.allow_negative is distinct from (new.kind in ('platform_revenue', 'creator_receivable'))
    or new.balance_cents <> 0 or new.version <> 0)
  execute function public.refuse_account();

create function public.refuse_account_change() returns trigger
language plpgsql set search_path = '' as $$
begin
  raise exception 'a ledger account changes only through new entries and is never deleted'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'operation', tg_op)::text;
end
$$;
comment on function public.refuse_account_change() is 'Trigger: balances move only with new entries.';
revoke all on function public.refuse_account(), public.refuse_account_change()
  from public, anon, authenticated, service_role;
create trigger ledger_accounts_stay_whose_they_are
  before update of id, kind, user_id, currency, allow_negative, created_at on public.ledger_accounts
  for each statement execute function public.refuse_account_change();
create trigger ledger_accounts_move_with_entries after update on public.ledger_accounts
  for each row when (new.version <= old.version) execute function public.refuse_account_change();
create trigger ledger_accounts_are_never_deleted before delete on public.ledger_accounts
  for each row execute function public.refuse_account_change();
create trigger ledger_accounts_are_never_truncated before truncate on public.ledger_accounts
  for each statement execute function public.refuse_truncate();
