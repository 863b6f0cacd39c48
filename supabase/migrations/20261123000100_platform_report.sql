-- Why: of a window's engagement the platform wants to know what counted, what did not, and by which reason; and the parts
-- have to be the whole. The reasons are those of the explanations (an account stands under one reason, see
-- docs/decisions/0053), summed over all videos when the window is weighed, in whole millionths of a unit.
--
-- What a product of factors took is told in its order: raw units, then weights, then budgets. A reason took what the weight
-- of its accounts left out; the budget took what was over one viewer's part of what was left then.
--
-- Raises 42501, 22Z04 the reasons and the shares tell of different units.

create table public.window_reasons (
  window_start timestamptz not null,
  window_end timestamptz not null,
  model text not null,
  code text not null,
  unit_micro bigint not null,
  weighted_micro bigint not null,
  counted_micro bigint not null,
  primary key (window_start, window_end, model, code),
  constraint reason_window_is_not_empty check (window_start < window_end),
  constraint reason_is_a_code check (code ~ '^[a-z][a-z_]{2,39}$'),
  constraint reason_units_are_not_negative check (least(unit_micro, weighted_micro, counted_micro) >= 0)
);
comment on table public.window_reasons is
  'Units of a weighed window by the reason of the accounts that they came from. For reviewers: with single videos'' figures, weights could be told.';
comment on column public.window_reasons.unit_micro is 'What there was, in millionths of a unit.';
comment on column public.window_reasons.weighted_micro is 'What the weights of the accounts left of it.';
comment on column public.window_reasons.counted_micro is 'What their budgets let through of that: what is paid for.';

alter table public.window_reasons enable row level security;
revoke all on public.window_reasons from public, anon, authenticated, service_role;
grant select on public.window_reasons to authenticated;
grant select, insert, update, delete on public.window_reasons to service_role;
create policy "Reviewers read what each reason took" on public.window_reasons
  for select to authenticated using ((select public.is_reviewer()));

create trigger final_reasons_get_no_company after insert on public.window_reasons
  referencing new table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_reasons_do_not_change after update on public.window_reasons
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();
create trigger final_reasons_stay after delete on public.window_reasons
  referencing old table as changed_rows for each statement execute function public.refuse_final_scores();

create function public.unit_figures(p_window public.revenue_windows) returns jsonb
language plpgsql stable set search_path = '' as $$
declare
  v_videos bigint;
  v_units numeric;
  v_counted numeric;
  v_unpaid numeric;
  v_own numeric;
  v_explained numeric;
  v_explained_counted numeric;
  v_weighted numeric;
  v_parts jsonb;
  v_left numeric;
begin
  select count(*), coalesce(sum(s.eng_units::numeric), 0),
    coalesce(round(sum(coalesce(s.counted_units, s.eng_units)::numeric), 3), 0),
    coalesce(round(sum(coalesce(s.counted_units, s.eng_units)::numeric) filter (where s.vu = 0), 3), 0)
  into v_videos, v_units, v_counted, v_unpaid
  from public.video_rev_shares s where s.revenue_window_id = p_window.id;

  -- The windows over which its days were weighed, as far as they lie within it. A reversed window's days may have been
  -- weighed anew since: of it nothing is told by reason.
  with spans as materialized (
    select distinct d.weighed_start, d.weighed_end from public.scored_days d
    where p_window.status = 'closed' and d.model = p_window.model and d.weighed_start >= p_window.window_start
      and d.weighed_end <= p_window.window_end
  ), reasons as materialized (
    select r.code, sum(r.unit_micro) as units, sum(r.weighted_micro) as weighted, sum(r.counted_micro) as counted
    from spans s join public.window_reasons r
      on r.window_start = s.weighed_start and r.window_end = s.weighed_end and r.model = p_window.model
    group by r.code
  )
  select coalesce(sum(r.units) filter (where r.code = 'own_event'), 0) / 1000000,
    coalesce(sum(r.units) filter (where r.code <> 'own_event'), 0) / 1000000,
    coalesce(sum(r.weighted), 0) / 1000000, coalesce(sum(r.counted), 0) / 1000000,
    coalesce(jsonb_agg(jsonb_build_object('reason', r.code, 'units', round((r.units - r.weighted) / 1000000, 3))
      order by r.units - r.weighted desc, r.code) filter (where round((r.units - r.weighted) / 1000000, 3) <> 0), '[]')
  into v_own, v_explained, v_weighted, v_explained_counted, v_parts
  from reasons r;

  v_left := v_own + v_units - v_counted - (select coalesce(sum((p ->> 'units')::numeric), 0) from jsonb_array_elements(v_parts) p);
  if v_explained = v_units and v_explained > 0 then
    -- Every unit stands under a reason. The same was counted by two ways; a millionth a video and reason is rounding.
    if abs(v_explained_counted - v_counted) > 0.01 + v_videos * 0.00001 then
      raise exception 'the reasons of window % tell of % counted units, its shares of %', p_window.id,
        round(v_explained_counted, 3), v_counted using errcode = '22Z04',
        detail = jsonb_build_object('revenue_window_id', p_window.id)::text;
    end if;
    v_parts := v_parts || jsonb_build_array(jsonb_build_object('reason', 'viewer_budget', 'units', v_left));
  elsif v_left <> 0 then
    if v_explained > 0 then
      v_parts := v_parts || jsonb_build_array(jsonb_build_object('reason', 'viewer_budget',
        'units', round(v_weighted - v_explained_counted, 3)));
      v_left := v_left - round(v_weighted - v_explained_counted, 3);
    end if;
    v_parts := v_parts || jsonb_build_array(jsonb_build_object('reason', 'not_explained', 'units', v_left));
  end if;
  return jsonb_build_object('videos', v_videos, 'raw_units', v_own + v_units, 'units', v_units, 'counted_units', v_counted,
    'unpaid_units', v_unpaid, 'not_counted', v_parts);
end
$$;
comment on function public.unit_figures(public.revenue_windows) is
  'Units of a window: raw, of others than the creators, counted, and what did not count by reason; the parts sum exactly.';

create function public.platform_figures(p_revenue_window_id bigint) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  v_window public.revenue_windows;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may read the platform''s report' using errcode = '42501';
  end if;
  select * into v_window from public.revenue_windows w where w.id = p_revenue_window_id;
  if not found then
    return null;
  end if;
  return (
    select to_jsonb(v_window) - '{idempotency_key,request_hash,result,closed_by,approved_by,closed_at,ledger_transaction_id,id}'::text[]
      || jsonb_build_object('creators', count(*), 'paid_creators', count(*) filter (where a.capped_cents > 0),
        'platform_fee_cents', coalesce(sum(a.platform_fee_cents), 0), 'reserve_cents', coalesce(sum(a.reserve_cents), 0),
        'pay_now_cents', coalesce(sum(a.pay_now_cents), 0), 'carried_cents', coalesce(sum(a.carried_cents), 0),
        'released_carry_cents', coalesce(sum(a.released_carry_cents), 0))
    from public.window_allocations a where a.revenue_window_id = v_window.id
  ) || public.unit_figures(v_window) || jsonb_build_object('withheld', coalesce((
    -- Less than the share because of a limit, by the cap that was in force; or no share at all, since nothing counted.
    select jsonb_agg(to_jsonb(r) order by r.reason) from (
      select case when a.capped_cents = a.alloc_cents then 'no_value_units'
          when a.cap_cents = 0 then 'kyc_level_0_or_unknown' else 'over_limit_of_kyc' end as reason,
        count(*) as creators, sum(a.alloc_cents - a.capped_cents) as cents
      from public.window_allocations a
      where a.revenue_window_id = v_window.id and (a.capped_cents < a.alloc_cents or not exists (
        select from public.video_rev_shares s
        where s.revenue_window_id = v_window.id and s.creator_id = a.creator_id and s.vu > 0))
      group by 1
    ) r), '[]'));
end
$$;
comment on function public.platform_figures(bigint) is
  'The platform''s report of a window: pool, paid, fee, reserve, residual, units counted and not, withheld by reason.';

revoke all on function public.unit_figures(public.revenue_windows), public.platform_figures(bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.platform_figures(bigint) to authenticated, service_role;
