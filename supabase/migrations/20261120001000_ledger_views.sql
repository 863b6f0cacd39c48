-- Why: what people know as "transactions" and "balance" is read from the ledger and never written beside it. Views run
-- as their reader, so the ledger's policies decide what is seen.

create view public.transactions with (security_invoker = true) as
select
  e.id,
  t.created_at,
  a.user_id as recipient,
  abs(e.amount_cents) as amount_cents,
  case a.kind
    when 'creator_available' then 'available'
    when 'creator_reserve' then 'in_reserve'
    when 'creator_carried' then 'carried'
    when 'creator_payout_pending' then 'pending'
    when 'creator_receivable' then 'owed'
  end as status,
  t.kind as payment_type,
  case when e.amount_cents > 0 then 'credit' else 'debit' end as direction,
  a.currency,
  t.event_at,
  t.id as ledger_transaction_id,
  t.revenue_window_id
from public.ledger_entries e
join public.ledger_transactions t on t.id = e.transaction_id
join public.ledger_accounts a on a.id = e.account_id
where a.user_id is not null;
comment on view public.transactions is 'Every movement on a creator''s accounts: one row a ledger entry.';

create view public.creator_balances with (security_invoker = true) as
select
  a.user_id,
  a.currency,
  coalesce(sum(a.balance_cents) filter (where a.kind = 'creator_available'), 0)::bigint as available_cents,
  coalesce(sum(a.balance_cents) filter (where a.kind = 'creator_reserve'), 0)::bigint as reserve_cents,
  coalesce(sum(a.balance_cents) filter (where a.kind = 'creator_carried'), 0)::bigint as carried_cents,
  coalesce(sum(a.balance_cents) filter (where a.kind = 'creator_payout_pending'), 0)::bigint as payout_pending_cents,
  coalesce(sum(a.balance_cents) filter (where a.kind = 'creator_receivable'), 0)::bigint as receivable_cents
from public.ledger_accounts a
where a.user_id is not null
group by a.user_id, a.currency;
comment on view public.creator_balances is 'Balances of a creator, one row a currency; receivable is negative while something is owed.';

revoke all on public.transactions, public.creator_balances from public, anon, authenticated, service_role;
grant select on public.transactions, public.creator_balances to authenticated, service_role;

-- A computed column: select u.current_balance from users u, or select=*,current_balance over the API.
create function public.current_balance(p_user public.users) returns bigint
language sql stable set search_path = '' as $$
  select coalesce((
    select a.balance_cents from public.ledger_accounts a
    where a.kind = 'creator_available' and a.user_id = p_user.id and a.currency = 'USD'), 0)
$$;
comment on function public.current_balance(public.users) is
  'Available cents in the platform''s currency (USD); other currencies stand in creator_balances.';
revoke all on function public.current_balance(public.users) from public, anon, authenticated, service_role;
grant execute on function public.current_balance(public.users) to authenticated, service_role;
