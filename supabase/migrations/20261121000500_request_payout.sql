-- Why: the request and the cancel. The creator's accounts are locked before anything is read: of eight requests that come
-- together, the second finds what the first has left. Everything is checked here; a page can only ask.

create function public.request_payout(
  p_amount_cents bigint, p_method_id bigint, p_idempotency_key text, p_currency text default 'USD'
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_creator bigint := public.my_user_id();
  v_payout public.payouts;
  v_reasons jsonb;
  v_first jsonb;
  v_posting jsonb;
  v_fee bigint;
begin
  if v_creator is null then
    raise exception 'only a signed-in creator can request a payout' using errcode = '42501';
  end if;
  if p_amount_cents is null or p_method_id is null or coalesce(length(p_idempotency_key), 0) not between 1 and 180
    or p_amount_cents not between 1 and 99999999999999 or coalesce(p_currency, '') !~ '^[A-Z]{3}$' then
    raise exception 'a payout needs an amount in whole cents, a method and a key of at most 180 letters'
      using errcode = '22Z12', detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  end if;

  perform public.lock_creator_accounts(v_creator, p_currency);
  select * into v_payout from public.payouts p
  where p.creator_id = v_creator and p.idempotency_key = p_idempotency_key;
  if found then
    if v_payout.request_hash <> public.payout_hash(p_amount_cents, p_method_id) or v_payout.currency <> p_currency then
      raise exception 'this key was used for another payout: %', v_payout.id
        using errcode = '22Z01', detail = jsonb_build_object('idempotency_key', p_idempotency_key,
          'payout_id', v_payout.id)::text;
    end if;
    return public.payout_answer(v_payout, true);
  end if;

  -- The row of the person too: a KYC level that changes at this moment is read before or after, not in between.
  perform from public.users u where u.id = v_creator for share;
  select jsonb_agg(to_jsonb(r)), jsonb_agg(to_jsonb(r)) filter (where not r.holds) -> 0 into v_reasons, v_first
  from public.payout_reasons(v_creator, p_amount_cents, p_method_id, p_currency) r;
  if v_first is not null then
    raise exception '%', v_first ->> 'sentence' using errcode = v_first ->> 'sqlstate',
      detail = jsonb_build_object('creator_id', v_creator, 'amount_cents', p_amount_cents, 'reasons', v_reasons)::text;
  end if;

  select public.payout_fee_cents(p_amount_cents, m.provider) into strict v_fee
  from public.payout_methods m where m.id = p_method_id;
  insert into public.payouts
    (creator_id, method_id, currency, amount_cents, fee_cents, kyc_level, idempotency_key, request_hash, status)
  select v_creator, p_method_id, p_currency, p_amount_cents, v_fee, u.kyc_level, p_idempotency_key,
    public.payout_hash(p_amount_cents, p_method_id), 'requested'
  from public.users u where u.id = v_creator
  returning * into v_payout;
  v_posting := public.post_ledger_transaction('payout:' || v_payout.id || ':request', 'payout_request',
    public.payout_entries(v_payout, 1), now(), 'Payout ' || v_payout.id, p_currency);
  insert into public.payout_postings (ledger_transaction_id, payout_id, purpose)
  values ((v_posting ->> 'transaction_id')::bigint, v_payout.id, 'request');
  update public.payouts p set status = case when v_reasons is null then 'pending' else 'held' end,
    status_reason = (select string_agg(r ->> 'sentence', ' ') from jsonb_array_elements(v_reasons) r)
  where p.id = v_payout.id;
  return public.payout_answer(v_payout, false);
end
$$;
comment on function public.request_payout(bigint, bigint, text, text) is
  'The signed-in creator asks for money, once per key; amount and fee are set aside. Answers the payout and its state.';

create function public.payout_entries(p_payout public.payouts, p_sign integer) returns jsonb
language sql immutable set search_path = '' as $$
  select jsonb_build_array(
    jsonb_build_object('kind', 'creator_available', 'user_id', p_payout.creator_id,
      'amount_cents', -p_sign * (p_payout.amount_cents + p_payout.fee_cents)),
    jsonb_build_object('kind', 'creator_payout_pending', 'user_id', p_payout.creator_id,
      'amount_cents', p_sign * (p_payout.amount_cents + p_payout.fee_cents)))
$$;
comment on function public.payout_entries(public.payouts, integer) is
  'The entries that set a payout aside (1) or give it back (-1).';

-- What was answered the first time, whatever has become of it since.
create function public.payout_answer(p_payout public.payouts, p_replayed boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('payout_id', p_payout.id, 'amount_cents', p_payout.amount_cents,
    'fee_cents', p_payout.fee_cents, 'currency', p_payout.currency, 'method_id', p_payout.method_id,
    'status', e.to_status, 'reason', e.reason, 'created_at', p_payout.created_at, 'replayed', p_replayed)
  from public.payout_events e
  where e.payout_id = p_payout.id and e.from_status = 'requested'
$$;
comment on function public.payout_answer(public.payouts, boolean) is 'The answer of a request, the same for every retry.';

create function public.void_payout(p_payout public.payouts, p_status text, p_reason text, p_event_at timestamptz)
returns void
language plpgsql set search_path = '' as $$
declare
  v_posting jsonb;
begin
  v_posting := public.post_ledger_transaction('payout:' || p_payout.id || ':void', 'payout_void',
    public.payout_entries(p_payout, -1), p_event_at, 'Payout ' || p_payout.id || ' ' || p_status, p_payout.currency,
    (select o.ledger_transaction_id from public.payout_postings o
      where o.payout_id = p_payout.id and o.purpose = 'request'));
  insert into public.payout_postings (ledger_transaction_id, payout_id, purpose)
  values ((v_posting ->> 'transaction_id')::bigint, p_payout.id, 'void');
  update public.payouts p set status = p_status, status_reason = p_reason where p.id = p_payout.id;
  perform public.net_receivable(p_payout.creator_id, p_payout.currency, 'payout:' || p_payout.id || ':net', p_event_at);
end
$$;
comment on function public.void_payout(public.payouts, text, text, timestamptz) is
  'Gives amount and fee back at once, what is owed first; the caller holds the locks.';

-- Locks in the one order that every function keeps: the creator's accounts, then the payout.
create function public.locked_payout(p_payout_id bigint, p_platform_kinds text[] default '{}') returns public.payouts
language plpgsql set search_path = '' as $$
declare
  v_payout public.payouts;
begin
  select * into v_payout from public.payouts p where p.id = p_payout_id;
  if not found then
    raise exception 'there is no payout %', p_payout_id
      using errcode = '22Z27', detail = jsonb_build_object('payout_id', p_payout_id)::text;
  end if;
  perform public.lock_creator_accounts(v_payout.creator_id, v_payout.currency, p_platform_kinds);
  select * into strict v_payout from public.payouts p where p.id = p_payout_id for update;
  return v_payout;
end
$$;
comment on function public.locked_payout(bigint, text[]) is 'The payout as it stands once its accounts and itself are locked, or 22Z27.';

create function public.cancel_payout(p_payout_id bigint, p_reason text default null) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_payout public.payouts;
begin
  if public.my_user_id() is null and not public.is_job() then
    raise exception 'only a signed-in person can cancel a payout' using errcode = '42501';
  end if;
  -- Another person's payout is answered like one that is not there.
  if not exists (select from public.payouts p where p.id = p_payout_id
      and (p.creator_id = public.my_user_id() or public.is_admin() or public.is_job())) then
    raise exception 'there is no payout % of yours', p_payout_id
      using errcode = '22Z27', detail = jsonb_build_object('payout_id', p_payout_id)::text;
  end if;
  v_payout := public.locked_payout(p_payout_id);
  if v_payout.status in ('held', 'pending') then
    perform public.void_payout(v_payout, 'canceled', left(p_reason, 300), now());
  elsif v_payout.status <> 'canceled' then
    raise exception 'payout % is % and can not be canceled any more', p_payout_id, replace(v_payout.status, '_', ' ')
      using errcode = '22Z26', detail = jsonb_build_object('payout_id', p_payout_id, 'from', v_payout.status,
        'to', 'canceled')::text;
  end if;
  return jsonb_build_object('payout_id', p_payout_id, 'status', 'canceled',
    'replayed', v_payout.status = 'canceled');
end
$$;
comment on function public.cancel_payout(bigint, text) is
  'Cancels a payout that has not left: its creator or an admin. Amount and fee are available again at once.';

revoke all on function public.request_payout(bigint, bigint, text, text), public.cancel_payout(bigint, text),
  public.payout_entries(public.payouts, integer), public.payout_answer(public.payouts, boolean),
  public.void_payout(public.payouts, text, text, timestamptz), public.locked_payout(bigint, text[])
  from public, anon, authenticated, service_role;
grant execute on function public.request_payout(bigint, bigint, text, text) to authenticated;
grant execute on function public.cancel_payout(bigint, text) to authenticated, service_role;
