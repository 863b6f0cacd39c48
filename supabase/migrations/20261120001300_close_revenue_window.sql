-- Why: the one way in which a window is written: window, shares, allocations, ledger, reserves and notifications in one
-- transaction, or nothing. The figures come computed from outside and are checked again here, against the kept scores, the
-- window's own inputs and policy, the videos' creators, the KYC levels and the carried balances of this moment. Who may
-- close, and when a second person has to agree, is decided by the callers (close_revenue_window, decide_proposal).
--
-- Postings: platform_revenue -> pool_clearing (the pool); pool_clearing -> platform_fee, residual, and for each creator
-- creator_reserve and creator_available or creator_carried; creator_carried -> creator_available when the carried
-- amount is released. What a creator owes goes to creator_receivable before either.
--
-- Raises 22Z03 overlap, 22Z04 figures do not add up, 22Z05 the pool is not what the policy gives, 22Z06 balances or labels
-- changed since the preview, 22Z07 a video of another creator, 22Z08 over the cap, 22Z12 malformed, 22Z40 no such policy,
-- 22Z41 the policy is kept with other rules.

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
  if jsonb_typeof(p_policy) is distinct from 'object' then
    raise exception 'a policy is an object with its settings'
      using errcode = '22Z12', detail = jsonb_build_object('field', 'policy')::text;
  end if;
  foreach v_name in array array['name', 'model', 'value_rule'] loop
    if jsonb_typeof(p_policy -> v_name) is distinct from 'string' or p_policy ->> v_name !~ '^[a-z][a-z0-9_]{0,39}$' then
      raise exception '% must be a word of small letters, not %', v_name, coalesce(p_policy ->> v_name, 'null')
        using errcode = '22Z12', detail = jsonb_build_object('field', v_name)::text;
    end if;
  end loop;
  if p_policy ->> 'value_rule' not in ('integrity', 'units') then
    raise exception 'there is no value rule %', p_policy ->> 'value_rule'
      using errcode = '22Z12', detail = jsonb_build_object('field', 'value_rule')::text;
  end if;
  foreach v_name in array array['pool_bp', 'margin_target_bp', 'platform_fee_bp', 'risk_reserve_bp', 'quality_limit_bp',
    'early_boost_bp', 'streak_bp']
  loop
    perform public.window_cents(p_policy, v_name, 10000);
  end loop;
  perform public.window_cents(p_policy, 'hold_days', 3660);
  perform public.window_cents(p_policy, 'min_payout_cents');
  perform public.window_cents(p_policy, 'gamma', 10);
  perform public.window_cents(p_policy, 'quality_centre', 100);
  perform public.window_cents(p_policy, 'streak_high', 100);
  perform public.window_cents(p_policy, 'streak_days', 366);
  if public.window_cents(p_policy, 'quality_divisor', 1000000) = 0 then
    raise exception 'quality_divisor must be 1 or more'
      using errcode = '22Z12', detail = jsonb_build_object('field', 'quality_divisor')::text;
  elsif public.window_cents(p_policy, 'streak_low', 100) >= (p_policy ->> 'streak_high')::bigint then
    raise exception 'streak_low must be below streak_high'
      using errcode = '22Z12', detail = jsonb_build_object('field', 'streak_low')::text;
  elsif (p_policy ->> 'platform_fee_bp')::bigint + (p_policy ->> 'risk_reserve_bp')::bigint > 10000 then
    raise exception 'fee and reserve together are more than everything'
      using errcode = '22Z12', detail = jsonb_build_object('field', 'risk_reserve_bp')::text;
  end if;
  -- Limits that are missing would limit nobody: "none" has to be said, by null.
  if not p_policy ? 'approval_limit_cents' then
    raise exception 'approval_limit_cents is missing; null stands for none'
      using errcode = '22Z12', detail = jsonb_build_object('field', 'approval_limit_cents')::text;
  elsif p_policy -> 'approval_limit_cents' <> 'null' then
    perform public.window_cents(p_policy, 'approval_limit_cents');
  end if;
  if jsonb_typeof(v_caps) is distinct from 'array' or (
    select count(*) filter (where c = 'null' or c::text ~ '^[0-9]{1,14}$') <> 4 or count(*) <> 4
    from jsonb_array_elements(case when jsonb_typeof(v_caps) = 'array' then v_caps end) c) then
    raise exception 'kyc_caps_cents must be four caps in whole cents, null for none, not %', coalesce(v_caps, 'null')
      using errcode = '22Z12', detail = jsonb_build_object('field', 'kyc_caps_cents')::text;
  end if;
end
$$;
comment on function public.check_policy(jsonb) is 'Raises 22Z12, naming the setting, unless every setting is there and in its range.';

create function public.kept_mean_eis(p_model text, p_start timestamptz, p_end timestamptz) returns numeric[]
language plpgsql stable set search_path = '' as $$
begin
  -- Scores and counted units to a millionth, as revenue_split/units.py rounds them (both to the even neighbour), so that
  -- the two agree. Where a model has counted units, they are the weights; else the units are, which are whole.
  return (
    select case when bool_or(a.counted_units is not null)
      then array[sum(round(a.counted_units * 1e6::double precision)::numeric * a.eis_micro),
        sum(round(a.counted_units * 1e6::double precision)::numeric) * 1000000]
      else array[sum(trunc(a.eng_units)::numeric * a.eis_micro), sum(trunc(a.eng_units)::numeric) * 1000000] end
    from (
      select a.counted_units, a.eng_units, round(a.eis * 1e6::double precision)::numeric as eis_micro
      from public.video_aggregates a
      where a.model = p_model and a.window_start >= p_start and a.window_end <= p_end and a.eis is not null
    ) a);
end
$$;
comment on function public.kept_mean_eis(text, timestamptz, timestamptz) is
  'The mean EIS of the kept scores weighted by what is paid for, as numerator and denominator; nulls without a score.';

create function public.check_pool(p_window jsonb, p_policy jsonb) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_gross bigint := public.window_cents(p_window, 'gross_cents');
  v_off bigint := public.window_cents(p_window, 'taxes_cents') + public.window_cents(p_window, 'store_fees_cents')
    + public.window_cents(p_window, 'refunds_cents');
  v_costs bigint := public.window_cents(p_window, 'costs_cents');
  v_net bigint := greatest(0, v_gross - v_off);
  v_pool bigint := public.window_cents(p_window, 'pool_cents');
  v_limit_bp bigint := public.window_cents(p_policy, 'quality_limit_bp');
  v_guardrail bigint;
  v_expected numeric;
  v_mean text[] := regexp_split_to_array(p_window ->> 'mean_eis', '/');
  v_kept numeric[];
  v_above numeric;
  v_below numeric;
begin
  v_guardrail := greatest(0, v_net - v_costs - (v_gross * public.window_cents(p_policy, 'margin_target_bp') + 9999) / 10000);
  if p_window ->> 'given_pool_cents' is not null then
    v_expected := public.window_cents(p_window, 'given_pool_cents');
    -- Without any figure of revenue there is no margin to keep; with one, it binds the given pool as well.
    if v_gross + v_off + v_costs > 0 then
      v_expected := least(v_expected, v_guardrail);
    end if;
  else
    v_expected := least(v_net * public.window_cents(p_policy, 'pool_bp') / 10000, v_guardrail);
    if v_limit_bp > 0 then
      v_kept := public.kept_mean_eis(p_window ->> 'model', (p_window ->> 'window_start')::timestamptz,
        (p_window ->> 'window_end')::timestamptz);
      if p_window ->> 'mean_eis' !~ '^[0-9]{1,40}/[1-9][0-9]{0,39}$' then
        raise exception 'mean_eis must be a fraction such as 121/2, not %', p_window ->> 'mean_eis'
          using errcode = '22Z12', detail = jsonb_build_object('field', 'mean_eis')::text;
      elsif coalesce(v_kept[2], 0) = 0 then
        v_kept := null;
      end if;
      if (v_kept is null) <> (v_mean is null) or v_mean[1]::numeric * v_kept[2] <> v_mean[2]::numeric * v_kept[1] then
        raise exception 'a mean EIS of % does not follow from the kept scores', coalesce(p_window ->> 'mean_eis', 'none')
          using errcode = '22Z05', detail = jsonb_build_object('mean_eis', p_window ->> 'mean_eis',
            'kept', to_jsonb(v_kept))::text;
      elsif v_kept is not null then
        -- q = (mean - centre) / divisor as a fraction, at most the limit either way.
        v_above := v_kept[1] - public.window_cents(p_policy, 'quality_centre', 100) * v_kept[2];
        v_below := v_kept[2] * public.window_cents(p_policy, 'quality_divisor', 1000000);
        if abs(v_above) * 10000 > v_limit_bp * v_below then
          v_above := sign(v_above) * v_limit_bp;
          v_below := 10000;
        end if;
        v_expected := least(v_guardrail, div(v_expected * (v_below + v_above), v_below));
      end if;
    end if;
  end if;
  if v_pool <> v_expected then
    raise exception 'a pool of % cents does not follow from the inputs and the policy: % cents do', v_pool, v_expected
      using errcode = '22Z05', detail = jsonb_build_object('pool_cents', v_pool, 'expected_cents', v_expected)::text;
  end if;
end
$$;
comment on function public.check_pool(jsonb, jsonb) is
  'Raises 22Z05 unless the pool is, to the cent, what inputs, policy and kept scores give.';

-- Who got what, in proportion: a share before caps is within a cent of the creator's part of the value units, weighed by
-- the streak; and the same of those below their cap after the others were put at theirs. Who stands at a cap only because
-- a cent was rounded up moves the others' proportion by less than a cent each: that is the slack.
create function public.check_proportions(p_window public.revenue_windows) returns void
language plpgsql stable set search_path = '' as $$
declare
  v_streak_bp bigint := public.window_cents(p_window.policy, 'streak_bp');
  v_bad jsonb;
begin
  select jsonb_build_object('creator_id', a.creator_id, 'streak_ppb', a.streak_ppb) into v_bad
  from public.window_allocations a
  where a.revenue_window_id = p_window.id and abs(a.streak_ppb - 1000000000) > v_streak_bp * 100000 limit 1;
  if found then
    raise exception 'the streak of creator % is beyond what the policy gives', v_bad ->> 'creator_id'
      using errcode = '22Z04', detail = v_bad::text;
  end if;

  select jsonb_build_object('creator_id', s.creator_id, 'video_id', s.video_id) into v_bad
  from public.video_rev_shares s join public.users u on u.id = s.creator_id
  where s.revenue_window_id = p_window.id and s.vu > 0 and u.likely_bot
    and p_window.policy ->> 'value_rule' = 'integrity' limit 1;
  if found then
    raise exception 'creator % has been labelled since the figures were computed: preview again', v_bad ->> 'creator_id'
      using errcode = '22Z06', detail = v_bad::text;
  end if;

  -- One grouping instead of a join, and every step computed once: nothing is known yet of rows that this transaction wrote,
  -- and a plan made for a few of them takes minutes for a hundred thousand.
  with weights as materialized (
    select creator_id, max(alloc_cents) as alloc_cents, max(capped_cents) as capped_cents, max(cap_cents) as cap_cents,
      sum(vu) * coalesce(max(streak_ppb), 0) as weight
    from (
      select a.creator_id, a.alloc_cents, a.capped_cents, a.cap_cents, a.streak_ppb, 0::numeric as vu
      from public.window_allocations a where a.revenue_window_id = p_window.id
      union all
      select s.creator_id, null, null, null, null, round(s.vu * 1e6::double precision)::numeric
      from public.video_rev_shares s where s.revenue_window_id = p_window.id
    ) r group by creator_id
  ), totals as materialized (
    select sum(weight) as weight,
      coalesce(sum(weight) filter (where capped_cents < cap_cents or cap_cents is null), 0) as free_weight,
      p_window.pool_cents - coalesce(sum(capped_cents) filter (where capped_cents = cap_cents), 0) as rest_cents
    from weights
  ), slack as materialized (
    select t.*, (
      select count(*) from weights w
      where w.capped_cents = w.cap_cents and w.cap_cents > 0 and (w.cap_cents + 2) * t.free_weight >= t.rest_cents * w.weight
    ) as edge from totals t
  )
  select jsonb_build_object('creator_id', w.creator_id, 'alloc_cents', w.alloc_cents, 'capped_cents', w.capped_cents)
  into v_bad
  from weights w, slack t
  where (w.weight = 0 and w.alloc_cents + w.capped_cents > 0)
    -- A residual, while somebody may take it.
    or (p_window.residual_cents > 0 and w.weight > 0 and (w.cap_cents is null or w.capped_cents < w.cap_cents))
    or abs(w.alloc_cents * t.weight - p_window.pool_cents * w.weight) >= greatest(t.weight, 1)
    or case when w.capped_cents = w.cap_cents
      then t.free_weight > 0
        and w.capped_cents * t.free_weight >= t.rest_cents * w.weight + t.free_weight + t.edge * w.weight
        and w.capped_cents > 0
      else abs(w.capped_cents * t.free_weight - t.rest_cents * w.weight)
        >= greatest(t.free_weight, 1) + t.edge * w.weight end
  limit 1;
  if found then
    raise exception 'the cents of creator % are not in proportion to the value units', v_bad ->> 'creator_id'
      using errcode = '22Z04', detail = v_bad::text;
  end if;
end
$$;
comment on function public.check_proportions(public.revenue_windows) is
  'Raises 22Z04 unless every creator''s cents follow from value units, streak and caps to the cent of rounding.';

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

  perform public.check_proportions(v_window);
end
$$;
comment on function public.check_window_figures(bigint) is
  'Raises 22Z04 or 22Z07 unless shares and allocations of the window agree with each other, the pool and the policy.';

create function public.check_window_request(p_window jsonb, p_shares jsonb, p_allocations jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_name text := p_window ->> 'policy_name';
  v_policy jsonb;
begin
  if jsonb_typeof(p_window) is distinct from 'object' or jsonb_typeof(p_window -> 'policy') is distinct from 'object'
    or jsonb_typeof(p_shares) is distinct from 'array' or jsonb_typeof(p_allocations) is distinct from 'array' then
    raise exception 'a close needs a window with its policy, shares and allocations' using errcode = '22Z12', detail = '{}';
  end if;
  if coalesce(p_window ->> 'currency', '') !~ '^[A-Z]{3}$' or coalesce(length(v_name), 0) not between 1 and 100
    or jsonb_typeof(p_window -> 'use_caps') is distinct from 'boolean' then
    raise exception 'a window needs its policy''s name, a currency of three letters, and whether caps apply'
      using errcode = '22Z12', detail = jsonb_build_object('policy_name', v_name)::text;
  end if;
  select p.rules into v_policy from public.policies p
  where p.name = v_name and p.version = public.window_cents(p_window, 'policy_version', 1000000);
  if not found then
    raise exception 'there is no policy % of version %', v_name, p_window ->> 'policy_version' using errcode = '22Z40',
      detail = jsonb_build_object('name', v_name, 'version', p_window -> 'policy_version')::text;
  end if;
  if not (p_window ->> 'use_caps')::boolean then
    v_policy := v_policy || '{"kyc_caps_cents": [null, null, null, null]}';
  end if;
  if v_policy is distinct from p_window -> 'policy' or p_window ->> 'model' is distinct from v_policy ->> 'model' then
    raise exception 'the figures were computed by other rules than those of policy % version %: preview again', v_name,
      p_window ->> 'policy_version' using errcode = '22Z41',
      detail = jsonb_build_object('name', v_name, 'version', p_window -> 'policy_version')::text;
  end if;
  return v_policy;
end
$$;
comment on function public.check_window_request(jsonb, jsonb, jsonb) is
  'The rules in force, from the kept policy; raises 22Z12, 22Z40 or 22Z41 where the request does not follow them.';

create function public.write_revenue_window(
  p_idempotency_key text, p_hash text, p_window jsonb, p_shares jsonb, p_allocations jsonb, p_closed_by uuid,
  p_approved_by uuid
) returns jsonb
language plpgsql security definer set search_path = '' set work_mem = '64MB' as $$
declare
  v_policy jsonb := public.check_window_request(p_window, p_shares, p_allocations);
  v_kind text := coalesce(p_window ->> 'kind', 'regular');
  v_start timestamptz;
  v_end timestamptz;
  v_pool bigint;
  v_residual bigint;
  v_min_payout bigint;
  v_window public.revenue_windows;
  v_available_at timestamptz;
  v_bad jsonb;
  v_entries jsonb;
  v_posting jsonb;
  v_result jsonb;
  v_constraint text;
begin
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
    store_fees_cents, refunds_cents, costs_cents, pool_cents, allocated_cents, residual_cents, policy_name,
    policy_version, policy, use_caps, model, mean_eis, given_pool_cents, idempotency_key, request_hash, closed_by,
    approved_by)
  select v_kind, 1 + coalesce((select max(w.version) from public.revenue_windows w
      where w.kind = v_kind and w.window_start = v_start and w.window_end = v_end), 0),
    v_start, v_end, p_window ->> 'currency', public.window_cents(p_window, 'gross_cents'),
    public.window_cents(p_window, 'taxes_cents'), public.window_cents(p_window, 'store_fees_cents'),
    public.window_cents(p_window, 'refunds_cents'), public.window_cents(p_window, 'costs_cents'), v_pool,
    v_pool - v_residual, v_residual, p_window ->> 'policy_name', (p_window ->> 'policy_version')::integer, v_policy,
    (p_window ->> 'use_caps')::boolean, p_window ->> 'model',
    round(split_part(p_window ->> 'mean_eis', '/', 1)::numeric / split_part(p_window ->> 'mean_eis', '/', 2)::numeric, 9),
    (p_window ->> 'given_pool_cents')::bigint, p_idempotency_key, p_hash, p_closed_by, p_approved_by
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
    reserve_cents, pay_now_cents, carried_cents, cap_cents, released_carry_cents, streak_ppb)
  select v_window.id, c.creator_id, c.alloc_cents, c.capped_cents, c.platform_fee_cents, c.reserve_cents,
    c.pay_now_cents, c.carried_cents, (v_policy -> 'kyc_caps_cents' ->> coalesce(u.kyc_level, 0))::bigint,
    case when c.pay_now_cents + c.carried_cents + coalesce(a.balance_cents, 0) >= v_min_payout
      then coalesce(a.balance_cents, 0) else 0 end, coalesce(c.streak_ppb, 1000000000)
  from jsonb_to_recordset(p_allocations) as c(creator_id bigint, alloc_cents bigint, capped_cents bigint,
    platform_fee_cents bigint, reserve_cents bigint, pay_now_cents bigint, carried_cents bigint, streak_ppb bigint)
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
  perform public.record_audit('window.closed', 'revenue_windows', v_window.id::text, v_result || jsonb_build_object(
    'policy', v_window.policy_name || '@' || v_window.policy_version, 'idempotency_key', p_idempotency_key,
    'closed_by', p_closed_by, 'approved_by', p_approved_by, 'gross_cents', v_window.gross_cents));
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
comment on function public.write_revenue_window(text, text, jsonb, jsonb, jsonb, uuid, uuid) is
  'Writes a window with everything that belongs to it and answers the totals; see the migration for postings and errors.';

create function public.cents_text(p_cents bigint) returns text
language sql immutable set search_path = '' as $$
  select (p_cents / 100)::text || '.' || lpad((abs(p_cents) % 100)::text, 2, '0')
$$;
comment on function public.cents_text(bigint) is '1234 becomes 12.34; for amounts that are not negative.';

revoke all on function public.window_cents(jsonb, text, bigint), public.check_policy(jsonb),
  public.kept_mean_eis(text, timestamptz, timestamptz), public.check_pool(jsonb, jsonb),
  public.check_proportions(public.revenue_windows), public.check_window_figures(bigint),
  public.check_window_request(jsonb, jsonb, jsonb),
  public.write_revenue_window(text, text, jsonb, jsonb, jsonb, uuid, uuid), public.cents_text(bigint)
  from public, anon, authenticated, service_role;
