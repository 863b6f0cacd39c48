-- Why: the one way in which a window closes: window, shares, allocations, ledger, reserves and notifications in one
-- transaction, or nothing. The figures come computed from outside and are checked again here, against the window's own
-- inputs and policy, the videos' creators, the KYC levels and the carried balances of this moment.
--
-- Postings: platform_revenue -> pool_clearing (the pool); pool_clearing -> platform_fee, residual, and for each creator
-- creator_reserve and creator_available or creator_carried; creator_carried -> creator_available when the carried
-- amount is released. What a creator owes goes to creator_receivable before either.
--
-- Raises 42501 the caller may not close, 22Z01 the key was used with other figures, 22Z03 overlap, 22Z04 figures do not
-- add up, 22Z05 the pool is not what the policy allows, 22Z06 balances or KYC levels changed since the preview, 22Z07 a
-- video of another creator, 22Z08 over the cap, 22Z12 malformed.

create function public.window_cents(
  p_window jsonb, p_name text, p_most bigint default 99999999999999
) returns bigint
language plpgsql immutable set search_path = '' as $$
begin
  -- 14 digits of cents times 10,000 basis points still fit into 64 bits.
  if jsonb_typeof(p_window -> p_name) is distinct from 'number' or p_window ->> p_name !~ '^[0-9]{1,14}$'
    or (p_window ->> p_name)::numeric > p_most then
    raise exception '% must be a whole number from 0 to %, not %', p_name, p_most, coalesce(p_window ->> p_name, 'null')
      using errcode = '22Z12', detail = jsonb_build_object('field', p_name)::text;
  end if;
  return (p_window ->> p_name)::bigint;
end
$$;
comment on function public.window_cents(jsonb, text, bigint) is 'A whole number from 0 to p_most, or 22Z12.';

create function public.check_policy(p_policy jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  v_name text;
  v_caps jsonb := p_policy -> 'kyc_caps_cents';
begin
  foreach v_name in array array['pool_bp', 'margin_target_bp', 'platform_fee_bp', 'risk_reserve_bp', 'quality_limit_bp']
  loop
    perform public.window_cents(p_policy, v_name, 10000);
  end loop;
  perform public.window_cents(p_policy, 'hold_days', 3660);
  perform public.window_cents(p_policy, 'min_payout_cents');
  -- A list that is missing or too short would cap nobody: "no cap" has to be said, by null, for each level.
  if jsonb_typeof(v_caps) is distinct from 'array' or (
    select count(*) filter (where c = 'null' or c::text ~ '^[0-9]{1,14}$') <> 4 or count(*) <> 4
    from jsonb_array_elements(case when jsonb_typeof(v_caps) = 'array' then v_caps end) c) then
    raise exception 'kyc_caps_cents must be four caps in whole cents, null for none, not %', coalesce(v_caps, 'null')
      using errcode = '22Z12', detail = jsonb_build_object('field', 'kyc_caps_cents')::text;
  end if;
end
$$;
comment on function public.check_policy(jsonb) is 'Raises 22Z12 unless every figure that a close takes from the policy is there and in its range.';

create function public.check_pool(p_window jsonb, p_policy jsonb) returns void
language plpgsql immutable set search_path = '' as $$
declare
  v_gross bigint := public.window_cents(p_window, 'gross_cents');
  v_net bigint := greatest(0, v_gross - public.window_cents(p_window, 'taxes_cents')
    - public.window_cents(p_window, 'store_fees_cents') - public.window_cents(p_window, 'refunds_cents'));
  v_pool bigint := public.window_cents(p_window, 'pool_cents');
  v_limit_bp bigint := public.window_cents(p_policy, 'quality_limit_bp');
  v_guardrail bigint;
  v_base bigint;
  v_least bigint;
  v_most bigint;
begin
  v_guardrail := greatest(0, v_net - public.window_cents(p_window, 'costs_cents')
    - (v_gross * public.window_cents(p_policy, 'margin_target_bp') + 9999) / 10000);
  v_base := least(v_net * public.window_cents(p_policy, 'pool_bp') / 10000, v_guardrail);
  -- The quality factor moves the pool by at most its limit either way, and never over the margin guardrail.
  v_least := v_base * (10000 - v_limit_bp) / 10000;
  v_most := least(v_guardrail, v_base * (10000 + v_limit_bp) / 10000);
  if v_pool not between v_least and v_most then
    raise exception 'a pool of % cents does not follow from the inputs and the policy: % to % cents do',
      v_pool, v_least, v_most
      using errcode = '22Z05',
        detail = jsonb_build_object('pool_cents', v_pool, 'least_cents', v_least, 'most_cents', v_most)::text;
  end if;
end
$$;
comment on function public.check_pool(jsonb, jsonb) is 'Raises 22Z05 unless the pool follows from the inputs and the policy.';

create function public.check_window_figures(p_window_id bigint) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_window public.revenue_windows;
  v_bad jsonb;
  v_fee_bp bigint;
  v_reserve_bp bigint;
begin
  select * into strict v_window from public.revenue_windows w where w.id = p_window_id;
  v_fee_bp := public.window_cents(v_window.policy, 'platform_fee_bp');
  v_reserve_bp := public.window_cents(v_window.policy, 'risk_reserve_bp');

  select jsonb_build_object('video_id', s.video_id, 'creator_id', s.creator_id, 'owner_id', v.creator_id) into v_bad
  from public.video_rev_shares s join public.videos v on v.id = s.video_id
  where s.revenue_window_id = p_window_id and v.creator_id <> s.creator_id limit 1;
  if found then
    raise exception 'video % belongs to creator %, not %', v_bad ->> 'video_id', v_bad ->> 'owner_id', v_bad ->> 'creator_id'
      using errcode = '22Z07', detail = v_bad::text;
  end if;

  select jsonb_build_object('allocated_cents', coalesce(sum(a.capped_cents), 0)) into v_bad
  from public.window_allocations a where a.revenue_window_id = p_window_id;
  if (v_bad ->> 'allocated_cents')::bigint <> v_window.allocated_cents then
    raise exception 'allocations of % cents and a residual of % cents are not the pool of % cents',
      v_bad ->> 'allocated_cents', v_window.residual_cents, v_window.pool_cents
      using errcode = '22Z04', detail = v_bad::text;
  end if;

  -- What each would get without caps is only shown, and has to be a part of the same pool.
  select jsonb_build_object('alloc_cents', sum(a.alloc_cents)) into v_bad
  from public.window_allocations a where a.revenue_window_id = p_window_id;
  if (v_bad ->> 'alloc_cents')::numeric > v_window.pool_cents then
    raise exception 'shares of % cents before caps are more than the pool of % cents',
      v_bad ->> 'alloc_cents', v_window.pool_cents using errcode = '22Z04', detail = v_bad::text;
  end if;

  select jsonb_build_object('creator_id', coalesce(a.creator_id, s.creator_id), 'videos_cents', s.cents,
    'allocated_cents', a.capped_cents) into v_bad
  from (select * from public.window_allocations where revenue_window_id = p_window_id) a
  full join (
    select creator_id, sum(allocated_cents) as cents from public.video_rev_shares
    where revenue_window_id = p_window_id group by creator_id
  ) s on s.creator_id = a.creator_id
  where coalesce(s.cents, 0) <> coalesce(a.capped_cents, 0) limit 1;
  if found then
    raise exception 'the videos of creator % earned % cents, the allocation says %', v_bad ->> 'creator_id',
      coalesce(v_bad ->> 'videos_cents', '0'), coalesce(v_bad ->> 'allocated_cents', '0')
      using errcode = '22Z04', detail = v_bad::text;
  end if;

  select to_jsonb(a) into v_bad from public.window_allocations a
  where a.revenue_window_id = p_window_id
    and (a.platform_fee_cents <> a.capped_cents * v_fee_bp / 10000
      or a.reserve_cents <> a.capped_cents * v_reserve_bp / 10000) limit 1;
  if found then
    raise exception 'fee % and reserve % of creator % are not the policy''s part of % cents', v_bad ->> 'platform_fee_cents',
      v_bad ->> 'reserve_cents', v_bad ->> 'creator_id', v_bad ->> 'capped_cents'
      using errcode = '22Z04', detail = v_bad::text;
  end if;

end
$$;
comment on function public.check_window_figures(bigint) is
  'Raises 22Z04 or 22Z07 unless shares and allocations of the window agree with each other, the pool and the policy.';

create function public.close_revenue_window(
  p_idempotency_key text, p_window jsonb, p_shares jsonb, p_allocations jsonb
) returns jsonb
language plpgsql security definer set search_path = '' set work_mem = '64MB' as $$
declare
  v_caller text := coalesce(nullif(current_setting('role', true), 'none'), session_user);
  v_policy jsonb := p_window -> 'policy';
  v_kind text := coalesce(p_window ->> 'kind', 'regular');
  v_start timestamptz;
  v_end timestamptz;
  v_pool bigint;
  v_residual bigint;
  v_min_payout bigint;
  v_hash text;
  v_window public.revenue_windows;
  v_available_at timestamptz;
  v_bad jsonb;
  v_entries jsonb;
  v_posting jsonb;
  v_result jsonb;
  v_constraint text;
begin
  if v_caller <> 'service_role' and not pg_has_role(v_caller, current_user, 'usage')
    and public.is_admin() is distinct from true then
    raise exception 'only an admin may close a revenue window' using errcode = '42501';
  end if;
  if coalesce(length(p_idempotency_key), 0) not between 1 and 180 or jsonb_typeof(p_window) is distinct from 'object'
    or jsonb_typeof(v_policy) is distinct from 'object' or jsonb_typeof(p_shares) is distinct from 'array'
    or jsonb_typeof(p_allocations) is distinct from 'array' then
    raise exception 'a close needs a key of at most 180 letters, a window with its policy, shares and allocations'
      using errcode = '22Z12', detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  end if;
  if coalesce(length(p_window ->> 'policy_name'), 0) not between 1 and 100
    or coalesce(length(p_window ->> 'model'), 0) not between 1 and 100
    or coalesce(p_window ->> 'currency', '') !~ '^[A-Z]{3}$' then
    raise exception 'a window needs the names of its policy and model, and a currency of three letters'
      using errcode = '22Z12', detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  end if;
  perform public.check_policy(v_policy);
  v_hash := encode(sha256(convert_to(
    jsonb_build_array(p_window, p_shares, p_allocations)::text, 'utf8')), 'hex');

  -- Closes are rare and large: one at a time, so that the second of two equal ones finds the first one's result.
  perform pg_advisory_xact_lock(hashtextextended('fairshare.close_revenue_window', 0));
  select * into v_window from public.revenue_windows w where w.idempotency_key = p_idempotency_key;
  if found then
    if v_window.request_hash <> v_hash then
      raise exception 'the key % closed the window % to % with other figures', p_idempotency_key,
        v_window.window_start, v_window.window_end
        using errcode = '22Z01', detail = jsonb_build_object('idempotency_key', p_idempotency_key,
          'revenue_window_id', v_window.id)::text;
    end if;
    return v_window.result || '{"replayed": true}';
  end if;

  v_start := (p_window ->> 'window_start')::timestamptz;
  v_end := (p_window ->> 'window_end')::timestamptz;
  -- No event is older than 1970 (core.timewindows); without an earliest time one window could take the whole past.
  if v_start is null or v_end is null or v_start < timestamptz '1970-01-01 00:00+00' or v_start >= v_end
    or v_end > now() then
    raise exception 'a window needs a start from 1970 on, and an end after it that has passed'
      using errcode = '22Z12', detail = jsonb_build_object('window_start', v_start, 'window_end', v_end)::text;
  end if;
  select jsonb_build_object('revenue_window_id', w.id, 'window_start', w.window_start, 'window_end', w.window_end)
  into v_bad from public.revenue_windows w
  where w.kind = v_kind and w.status = 'closed' and w.window_start < v_end and v_start < w.window_end
  order by w.window_start limit 1;
  if found then
    raise exception 'the closed window % (% to %) overlaps', v_bad ->> 'revenue_window_id',
      v_bad ->> 'window_start', v_bad ->> 'window_end' using errcode = '22Z03', detail = v_bad::text;
  end if;
  v_pool := public.window_cents(p_window, 'pool_cents');
  v_residual := public.window_cents(p_window, 'residual_cents');
  v_min_payout := public.window_cents(v_policy, 'min_payout_cents');
  if v_residual > v_pool then
    raise exception 'a residual of % cents is more than the pool of % cents', v_residual, v_pool
      using errcode = '22Z04', detail = jsonb_build_object('residual_cents', v_residual, 'pool_cents', v_pool)::text;
  end if;
  perform public.check_pool(p_window, v_policy);

  insert into public.revenue_windows (kind, version, window_start, window_end, currency, gross_cents, taxes_cents,
    store_fees_cents, refunds_cents, costs_cents, pool_cents, allocated_cents, residual_cents, policy_name, policy,
    model, idempotency_key, request_hash, closed_by)
  select v_kind, 1 + coalesce((select max(w.version) from public.revenue_windows w
      where w.kind = v_kind and w.window_start = v_start and w.window_end = v_end), 0),
    v_start, v_end, p_window ->> 'currency', public.window_cents(p_window, 'gross_cents'),
    public.window_cents(p_window, 'taxes_cents'), public.window_cents(p_window, 'store_fees_cents'),
    public.window_cents(p_window, 'refunds_cents'), public.window_cents(p_window, 'costs_cents'), v_pool,
    v_pool - v_residual, v_residual, p_window ->> 'policy_name', v_policy, p_window ->> 'model', p_idempotency_key,
    v_hash, (select auth.uid())
  returning * into v_window;
  v_available_at := v_window.closed_at
    + make_interval(secs => public.window_cents(v_policy, 'hold_days') * 86400::double precision);

  insert into public.video_rev_shares (revenue_window_id, video_id, creator_id, eng_units, counted_units, eis_avg, vu,
    share_pct, allocated_cents, model)
  select v_window.id, s.video_id, s.creator_id, s.eng_units, s.counted_units, s.eis_avg, s.vu, s.share_pct,
    s.allocated_cents, v_window.model
  from jsonb_to_recordset(p_shares) as s(video_id bigint, creator_id bigint, eng_units double precision,
    counted_units double precision, eis_avg double precision, vu double precision, share_pct double precision,
    allocated_cents bigint);

  -- Every account that this close reads or posts to is locked first, in id order: what is read stays as it is, and no
  -- other posting waits for this one the wrong way round.
  perform a.id from public.ledger_accounts a
  where a.currency = v_window.currency
    and (a.kind in ('platform_revenue', 'pool_clearing', 'platform_fee', 'residual')
      or a.kind in ('creator_available', 'creator_reserve', 'creator_carried', 'creator_receivable')
        and a.user_id in (select c.creator_id from jsonb_to_recordset(p_allocations) as c(creator_id bigint)))
  order by a.id for update;

  insert into public.window_allocations (revenue_window_id, creator_id, alloc_cents, capped_cents, platform_fee_cents,
    reserve_cents, pay_now_cents, carried_cents, cap_cents, released_carry_cents)
  select v_window.id, c.creator_id, c.alloc_cents, c.capped_cents, c.platform_fee_cents, c.reserve_cents,
    c.pay_now_cents, c.carried_cents, (v_policy -> 'kyc_caps_cents' ->> coalesce(u.kyc_level, 0))::bigint,
    case when c.pay_now_cents + c.carried_cents + coalesce(a.balance_cents, 0) >= v_min_payout
      then coalesce(a.balance_cents, 0) else 0 end
  from jsonb_to_recordset(p_allocations) as c(creator_id bigint, alloc_cents bigint, capped_cents bigint,
    platform_fee_cents bigint, reserve_cents bigint, pay_now_cents bigint, carried_cents bigint)
  join public.users u on u.id = c.creator_id
  left join public.ledger_accounts a
    on a.kind = 'creator_carried' and coalesce(a.user_id, -1) = c.creator_id and a.currency = v_window.currency;
  perform public.check_window_figures(v_window.id);

  -- Carry rule: with what was carried before, the rest reaches the minimum and is paid, or it is carried.
  select jsonb_build_object('creator_id', w.creator_id, 'pay_now_cents', w.pay_now_cents,
    'carried_cents', w.carried_cents, 'carried_before_cents', coalesce(a.balance_cents, 0)) into v_bad
  from public.window_allocations w
  left join public.ledger_accounts a
    on a.kind = 'creator_carried' and coalesce(a.user_id, -1) = w.creator_id and a.currency = v_window.currency
  where w.revenue_window_id = v_window.id
    and case when w.pay_now_cents + w.carried_cents + coalesce(a.balance_cents, 0) >= v_min_payout
      then w.carried_cents else w.pay_now_cents end <> 0
  limit 1;
  if found then
    raise exception 'creator % has % cents carried forward, which the figures do not take into account: preview again',
      v_bad ->> 'creator_id', v_bad ->> 'carried_before_cents' using errcode = '22Z06', detail = v_bad::text;
  end if;

  -- What a creator owes is taken first (receivable_part): from what becomes available, or from what would be carried.
  with creators as (
    select w.*, w.creator_id as user_id,
      public.receivable_part(w.pay_now_cents + w.released_carry_cents + w.carried_cents, a.balance_cents) as owed_cents
    from public.window_allocations w
    left join public.ledger_accounts a
      on a.kind = 'creator_receivable' and coalesce(a.user_id, -1) = w.creator_id and a.currency = v_window.currency
    where w.revenue_window_id = v_window.id
  ), entries (ord, user_id, kind, amount_cents) as (
    values (1, null::bigint, 'platform_revenue', -v_pool), (2, null, 'pool_clearing', v_pool),
      (3, null, 'pool_clearing', -v_pool), (4, null, 'residual', v_residual)
    union all select 5, null, 'platform_fee', sum(platform_fee_cents)::bigint from creators
    union all select 6, user_id, 'creator_reserve', reserve_cents from creators
    union all select 7, user_id, 'creator_available', pay_now_cents + released_carry_cents
      - case when carried_cents = 0 then owed_cents else 0 end from creators
    union all select 8, user_id, 'creator_carried', carried_cents - released_carry_cents
      - case when carried_cents > 0 then owed_cents else 0 end from creators
    union all select 9, user_id, 'creator_receivable', owed_cents from creators
  )
  select jsonb_agg(jsonb_build_object('kind', e.kind, 'user_id', e.user_id, 'amount_cents', e.amount_cents)
    order by e.ord, e.user_id) into v_entries
  from entries e where e.amount_cents <> 0;
  if v_entries is not null then
    v_posting := public.post_ledger_transaction('close:' || p_idempotency_key, 'window_close', v_entries, v_end,
      'Revenue window ' || v_window.id, v_window.currency, null, v_window.id);
  end if;

  insert into public.reserves (creator_id, revenue_window_id, amount_cents, available_at)
  select w.creator_id, w.revenue_window_id, w.reserve_cents, v_available_at
  from public.window_allocations w where w.revenue_window_id = v_window.id and w.reserve_cents > 0;

  insert into public.notifications (user_id, kind, title, body, link)
  select w.creator_id, 'window_closed',
    format('Your share of %s to %s is final', to_char(v_start at time zone 'UTC', 'YYYY-MM-DD'),
      to_char(v_end at time zone 'UTC', 'YYYY-MM-DD')),
    format('%s earned. Fee %s, in reserve until %s %s, available %s, carried forward %s (%s).',
      public.cents_text(w.capped_cents), public.cents_text(w.platform_fee_cents),
      to_char(v_available_at at time zone 'UTC', 'YYYY-MM-DD'), public.cents_text(w.reserve_cents),
      public.cents_text(w.pay_now_cents + w.released_carry_cents), public.cents_text(w.carried_cents), v_window.currency)
      || coalesce(format(' Of it, %s was taken for what you owe.', public.cents_text(o.amount_cents)), ''),
    'payouts'
  from public.window_allocations w join public.users u on u.id = w.creator_id
  left join (
    select a.user_id, e.amount_cents from public.ledger_entries e
    join public.ledger_accounts a on a.id = e.account_id and a.kind = 'creator_receivable'
    where e.transaction_id = (v_posting ->> 'transaction_id')::bigint
  ) o on o.user_id = w.creator_id
  where w.revenue_window_id = v_window.id and u.auth_id is not null;

  select jsonb_build_object('revenue_window_id', v_window.id, 'version', v_window.version, 'status', 'closed',
    'window_start', v_start, 'window_end', v_end, 'currency', v_window.currency, 'pool_cents', v_pool,
    'allocated_cents', v_window.allocated_cents, 'residual_cents', v_residual,
    'platform_fee_cents', coalesce(sum(w.platform_fee_cents), 0), 'reserve_cents', coalesce(sum(w.reserve_cents), 0),
    'pay_now_cents', coalesce(sum(w.pay_now_cents), 0), 'carried_cents', coalesce(sum(w.carried_cents), 0),
    'released_carry_cents', coalesce(sum(w.released_carry_cents), 0), 'creators', count(*),
    'videos', jsonb_array_length(p_shares), 'closed_at', v_window.closed_at,
    'ledger_transaction_id', v_posting -> 'transaction_id', 'replayed', false) into v_result
  from public.window_allocations w where w.revenue_window_id = v_window.id;
  update public.revenue_windows
  set result = v_result, ledger_transaction_id = (v_posting ->> 'transaction_id')::bigint where id = v_window.id;
  return v_result;
exception
  when check_violation then
    get stacked diagnostics v_constraint = constraint_name;
    raise exception '%', case v_constraint
        when 'allocation_stays_under_its_cap' then 'a creator would get more than the cap of their KYC level: preview again'
        else 'the figures break the rule "' || replace(v_constraint, '_', ' ') || '"' end
      using errcode = case v_constraint when 'allocation_stays_under_its_cap' then '22Z08' else '22Z04' end,
        detail = jsonb_build_object('rule', v_constraint)::text;
  when unique_violation then
    get stacked diagnostics v_constraint = constraint_name;
    raise exception '%', case v_constraint
        when 'one_share_per_window_and_video' then 'a video stands in the shares twice'
        when 'window_allocations_pkey' then 'a creator stands in the allocations twice'
        else 'the figures break the rule "' || replace(v_constraint, '_', ' ') || '"' end
      using errcode = '22Z04', detail = jsonb_build_object('rule', v_constraint)::text;
  when not_null_violation or foreign_key_violation or invalid_text_representation or invalid_parameter_value
    or numeric_value_out_of_range or invalid_datetime_format or datetime_field_overflow then
    raise exception 'the figures can not be kept: %', sqlerrm using errcode = '22Z12',
      detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  when exclusion_violation then
    raise exception 'a closed window overlaps % to %', v_start, v_end
      using errcode = '22Z03', detail = jsonb_build_object('window_start', v_start, 'window_end', v_end)::text;
end
$$;
comment on function public.close_revenue_window(text, jsonb, jsonb, jsonb) is
  'Closes a window once per key and answers the totals; see the migration for the postings and the errors.';

create function public.cents_text(p_cents bigint) returns text
language sql immutable set search_path = '' as $$
  select (p_cents / 100)::text || '.' || lpad((abs(p_cents) % 100)::text, 2, '0')
$$;
comment on function public.cents_text(bigint) is '1234 becomes 12.34; for amounts that are not negative.';

revoke all on function public.window_cents(jsonb, text, bigint), public.check_policy(jsonb),
  public.check_pool(jsonb, jsonb), public.check_window_figures(bigint),
  public.close_revenue_window(text, jsonb, jsonb, jsonb), public.cents_text(bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.close_revenue_window(text, jsonb, jsonb, jsonb) to authenticated, service_role;
