-- Why: what each account held at any moment, from the entries: as the books stood then (written), or as the world was then,
-- told by what is known today (happened). Runs as its reader, so the ledger's policies decide what is seen.

create function public.ledger_balances_at(p_at timestamptz, p_clock text default 'written') returns table (
  account_id bigint, kind text, user_id bigint, currency text, balance_cents bigint, entries bigint)
language plpgsql stable set search_path = '' as $$
begin
  if coalesce(p_clock, '') not in ('written', 'happened') or p_at is null then
    raise exception 'a balance is asked for at a time, by the clock "written" or "happened"'
      using errcode = '22Z12', detail = jsonb_build_object('clock', p_clock)::text;
  end if;
  return query
  select a.id, a.kind::text, a.user_id, a.currency::text, sum(e.amount_cents)::bigint, count(*)
  from public.ledger_entries e
  join public.ledger_transactions t on t.id = e.transaction_id
  join public.ledger_accounts a on a.id = e.account_id
  where case p_clock when 'written' then t.created_at else t.event_at end <= p_at
  group by a.id
  order by a.id;
end
$$;
comment on function public.ledger_balances_at(timestamptz, text) is
  'Balances as they stood at a moment, that moment included: by when it was written, or by when it happened.';
revoke all on function public.ledger_balances_at(timestamptz, text) from public, anon, authenticated, service_role;
grant execute on function public.ledger_balances_at(timestamptz, text) to authenticated, service_role;
