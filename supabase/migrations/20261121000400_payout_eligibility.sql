-- Why: one place that knows why a payout is not possible. Pages ask payout_eligibility(), the request refuses with the same
-- sentence, and the transfer asks again under the lock; nobody has limits of their own.

create function public.payout_fee_cents(p_amount_cents bigint, p_provider text) returns bigint
language sql stable set search_path = '' as $$
  select p.fee_cents + ceil(p_amount_cents::numeric * p.fee_bp / 10000)::bigint
  from public.payout_providers p where p.name = p_provider
$$;
comment on function public.payout_fee_cents(bigint, text) is 'What a transfer of this amount costs, rounded up to the cent.';

-- Reasons of a kind that hold let a request in and keep it waiting; the others refuse it. An unknown KYC level is not level
-- 0 and not "no limit": nothing is paid while it can not be read. p_payout_id names a payout whose money is set aside
-- already; then balance and open payouts are not asked for.
create function public.payout_reasons(
  p_user_id bigint, p_amount_cents bigint, p_method_id bigint, p_currency text, p_payout_id bigint default null
) returns table (code text, sqlstate text, holds boolean, sentence text)
language sql stable set search_path = '' as $$
  with facts as (
    select w.user_id, coalesce(u.is_creator, false) as is_creator, u.kyc_level, coalesce(u.likely_bot, true) as suspected,
      l.kyc_level is not null as may_pay, l.most_cents, m.id as method_id,
      public.balance_cents(w.user_id, 'creator_available', p_currency) as available_cents,
      public.balance_cents(w.user_id, 'creator_receivable', p_currency) as receivable_cents,
      public.payout_fee_cents(coalesce(p_amount_cents, public.payout_minimum_cents()), m.provider) as fee_cents
    from (select p_user_id as user_id) w
    left join public.users u on u.id = w.user_id
    left join public.payout_limits() l on l.kyc_level = u.kyc_level
    left join lateral (
      select s.id, s.provider from public.payout_methods s
      where s.user_id = w.user_id and s.removed_at is null and s.id = coalesce(p_method_id, s.id)
      order by s.id desc limit 1
    ) m on true
  )
  select r.code, r.sqlstate, r.holds, r.sentence from facts f cross join lateral (
    values
      (1, not f.is_creator, 'no_creator', '22Z33', false,
        'Only creators are paid, and this account is not one.'),
      (2, f.is_creator and f.kyc_level is null, 'kyc_unknown', '22Z23', false,
        'Your identity level is not known at the moment, and nothing is paid out until it is.'),
      (3, f.kyc_level is not null and not f.may_pay, 'kyc_none', '22Z22', false,
        'Payouts need a verified identity, and yours is not verified yet.'),
      (4, f.may_pay and p_amount_cents > f.most_cents, 'kyc_limit', '22Z22', false,
        format('At identity level %s one payout is at most %s %s; a higher level allows more.', f.kyc_level,
          public.cents_text(f.most_cents), p_currency)),
      (5, f.is_creator and f.method_id is null, 'no_method', '22Z28', false, case when p_method_id is null
        then 'Add a payout method first.' else 'This payout method is not there, or was removed.' end),
      (6, p_amount_cents < public.payout_minimum_cents(), 'minimum', '22Z20', false,
        format('A payout is at least %s %s.', public.cents_text(public.payout_minimum_cents()), p_currency)),
      (7, p_payout_id is null and f.is_creator
          and coalesce(p_amount_cents, public.payout_minimum_cents()) + coalesce(f.fee_cents, 0) > f.available_cents,
        'balance', '22Z21', false,
        format('%s and the fee of %s are more than the %s %s that are available.',
          public.cents_text(coalesce(p_amount_cents, public.payout_minimum_cents())),
          public.cents_text(coalesce(f.fee_cents, 0)), public.cents_text(f.available_cents), p_currency)),
      (9, f.receivable_cents < 0, 'owed', '22Z29', false,
        format('%s %s are owed to the platform and are taken from your next window first.',
          public.cents_text(-f.receivable_cents), p_currency)),
      (10, f.is_creator and f.suspected, 'suspected', '22Z25', true,
        'Signs of automation on this account wait for a person to look at them.')
  ) as r(ord, applies, code, sqlstate, holds, sentence) where r.applies
  union all
  select 'open', '22Z24', false,
    format('Your payout of %s %s is still open (%s); one at a time.', public.cents_text(p.amount_cents), p.currency,
      replace(p.status, '_', ' '))
  from public.payouts p
  where p_payout_id is null and p.creator_id = p_user_id and p.currency = p_currency
    and p.status in ('requested', 'held', 'pending', 'in_transit')
  union all
  (select 'hold', '22Z25', true, h.reason
  from public.payout_holds h
  where h.creator_id = p_user_id and h.released_at is null and (h.payout_id is null or h.payout_id = p_payout_id)
  order by h.id)
$$;
comment on function public.payout_reasons(bigint, bigint, bigint, text, bigint) is
  'Why a payout is refused or waits: no row when nothing stands against it. The sentences are for the creator.';

create function public.payout_eligibility(
  p_amount_cents bigint default null, p_method_id bigint default null, p_user_id bigint default null,
  p_currency text default 'USD'
) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_user_id bigint := coalesce(p_user_id, public.my_user_id());
  v_reasons jsonb;
  v_result jsonb;
begin
  if not (public.is_job() or public.is_reviewer()
      or coalesce(v_user_id = public.my_user_id(), false)) then
    raise exception 'people ask about their own payouts' using errcode = '42501';
  end if;
  if v_user_id is null or coalesce(p_currency, '') !~ '^[A-Z]{3}$' then
    raise exception 'the question needs a person and a currency'
      using errcode = '22Z12', detail = jsonb_build_object('user_id', v_user_id)::text;
  end if;
  select coalesce(jsonb_agg(to_jsonb(r)), '[]') into v_reasons
  from public.payout_reasons(v_user_id, p_amount_cents, p_method_id, p_currency) r;
  select jsonb_build_object(
    'creator_id', v_user_id, 'currency', p_currency, 'reasons', v_reasons,
    'may_request', not exists (select from jsonb_array_elements(v_reasons) r where not (r -> 'holds')::boolean),
    'will_be_held', exists (select from jsonb_array_elements(v_reasons) r where (r -> 'holds')::boolean),
    'available_cents', b.available, 'reserve_cents', b.reserve, 'carried_cents', b.carried, 'pending_cents', b.pending,
    'owed_cents', greatest(0, -b.receivable), 'minimum_cents', public.payout_minimum_cents(),
    'kyc_level', u.kyc_level,
    'fee_cents', public.payout_fee_cents(coalesce(p_amount_cents, public.payout_minimum_cents()), m.provider),
    -- amount + ceil(amount x bp / 10000) + fixed fee <= available, and under the limit; 0 while the level pays nothing
    'most_cents', case when l.kyc_level is null or m.provider is null then 0 else greatest(0, least(l.most_cents,
      floor((b.available - v.fee_cents)::numeric * 10000 / (10000 + v.fee_bp))::bigint)) end)
  into v_result
  from (select public.balance_cents(v_user_id, 'creator_available', p_currency) as available,
      public.balance_cents(v_user_id, 'creator_reserve', p_currency) as reserve,
      public.balance_cents(v_user_id, 'creator_carried', p_currency) as carried,
      public.balance_cents(v_user_id, 'creator_payout_pending', p_currency) as pending,
      public.balance_cents(v_user_id, 'creator_receivable', p_currency) as receivable) b
  left join public.users u on u.id = v_user_id
  left join public.payout_limits() l on l.kyc_level = u.kyc_level
  left join lateral (
    select s.provider from public.payout_methods s
    where s.user_id = v_user_id and s.removed_at is null and s.id = coalesce(p_method_id, s.id)
    order by s.id desc limit 1
  ) m on true
  left join public.payout_providers v on v.name = m.provider;
  return v_result;
end
$$;
comment on function public.payout_eligibility(bigint, bigint, bigint, text) is
  'Whether and how much can be paid out, with every reason against it; of oneself, or for reviewers of anybody.';

revoke all on function public.payout_fee_cents(bigint, text),
  public.payout_reasons(bigint, bigint, bigint, text, bigint), public.payout_eligibility(bigint, bigint, bigint, text)
  from public, anon, authenticated, service_role;
grant execute on function public.payout_eligibility(bigint, bigint, bigint, text) to authenticated, service_role;
