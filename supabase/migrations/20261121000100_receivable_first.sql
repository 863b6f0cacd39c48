-- Why: what a creator owes (creator_receivable below zero) is taken from whatever is credited next, before any of it can
-- be paid out. One rule, `receivable_part`, says how much of a credit that is. Whoever credits a creator applies it:
-- a window's close, a reserve's release, money that comes back from a payout.
--
-- And accounts are locked in id order before a balance is read, across everything that one transaction will touch.

create function public.receivable_part(p_credit_cents bigint, p_receivable_cents bigint) returns bigint
language sql immutable set search_path = '' as $$
  select least(greatest(p_credit_cents, 0), greatest(-coalesce(p_receivable_cents, 0), 0))
$$;
comment on function public.receivable_part(bigint, bigint) is
  'How much of a credit goes to the receivable account first, given its balance (negative while something is owed).';

create function public.lock_creator_accounts(
  p_user_id bigint, p_currency text, p_platform_kinds text[] default '{}'
) returns void
language plpgsql set search_path = '' as $$
begin
  perform a.id from public.ledger_accounts a
  where a.currency = p_currency and (a.user_id = p_user_id or (a.user_id is null and a.kind = any(p_platform_kinds)))
  order by a.id for update;
end
$$;
comment on function public.lock_creator_accounts(bigint, text, text[]) is
  'Locks every account of a creator and the platform''s named ones, in id order; called before a balance is read.';

create function public.balance_cents(p_user_id bigint, p_kind text, p_currency text) returns bigint
language sql stable set search_path = '' as $$
  select coalesce((
    select a.balance_cents from public.ledger_accounts a
    where a.kind = p_kind and coalesce(a.user_id, -1) = coalesce(p_user_id, -1) and a.currency = p_currency), 0)
$$;
comment on function public.balance_cents(bigint, text, text) is 'The balance of one account, 0 where there is none yet.';

create function public.net_receivable(
  p_user_id bigint, p_currency text, p_idempotency_key text, p_event_at timestamptz
) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_cents bigint := public.receivable_part(public.balance_cents(p_user_id, 'creator_available', p_currency),
    public.balance_cents(p_user_id, 'creator_receivable', p_currency));
begin
  if v_cents > 0 then
    perform public.post_ledger_transaction(p_idempotency_key, 'debt_netting', jsonb_build_array(
      jsonb_build_object('kind', 'creator_available', 'user_id', p_user_id, 'amount_cents', -v_cents),
      jsonb_build_object('kind', 'creator_receivable', 'user_id', p_user_id, 'amount_cents', v_cents)),
      p_event_at, 'Taken for what is owed', p_currency);
  end if;
  return v_cents;
end
$$;
comment on function public.net_receivable(bigint, text, text, timestamptz) is
  'Moves what is available to what is owed, as far as both reach; the accounts are locked by the caller.';

revoke all on function public.receivable_part(bigint, bigint),
  public.lock_creator_accounts(bigint, text, text[]), public.balance_cents(bigint, text, text),
  public.net_receivable(bigint, text, text, timestamptz) from public, anon, authenticated, service_role;
