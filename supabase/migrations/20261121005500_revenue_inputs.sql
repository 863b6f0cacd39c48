-- Why: what came in and went out in the days of a window, written down by a person before the window closes, so that a
-- monthly run started by the clock knows whose figures it takes. A correction is a later row; the latest one counts.
--
-- Raises 42501, 22Z12 malformed.

create table public.revenue_inputs (
  id bigint generated always as identity primary key,
  kind text not null default 'regular',
  window_start timestamptz not null,
  window_end timestamptz not null,
  currency text not null,
  gross_cents bigint not null,
  taxes_cents bigint not null,
  store_fees_cents bigint not null,
  refunds_cents bigint not null,
  costs_cents bigint not null,
  given_pool_cents bigint,
  policy_name text not null,
  policy_version integer not null,
  entered_by uuid,
  entered_at timestamptz not null default now(),
  constraint inputs_kind_is_known check (kind in ('regular', 'bonus')),
  constraint inputs_days_are_in_order check (window_start < window_end),
  constraint inputs_currency_is_three_letters check (currency ~ '^[A-Z]{3}$'),
  constraint inputs_are_not_negative check (
    least(gross_cents, taxes_cents, store_fees_cents, refunds_cents, costs_cents, given_pool_cents) >= 0),
  constraint inputs_name_a_kept_policy foreign key (policy_name, policy_version)
    references public.policies (name, version)
);
comment on table public.revenue_inputs is 'Revenue, costs and policy of a window to come; the latest row of its days counts.';
comment on column public.revenue_inputs.given_pool_cents is 'A pool that a person sets instead of the policy''s part.';
comment on column public.revenue_inputs.entered_by is 'auth.users.id; null for a command.';
create index revenue_inputs_by_days on public.revenue_inputs (window_start, window_end);
create index revenue_inputs_by_policy on public.revenue_inputs (policy_name, policy_version);

alter table public.revenue_inputs enable row level security;
revoke all on public.revenue_inputs from public, anon, authenticated, service_role;
revoke all on sequence public.revenue_inputs_id_seq from public, anon, authenticated, service_role;
grant select on public.revenue_inputs to authenticated, service_role;
create policy "Admins read the recorded revenue" on public.revenue_inputs
  for select to authenticated using ((select public.is_admin()));
create trigger revenue_inputs_are_append_only before update or delete on public.revenue_inputs
  for each row execute function public.refuse_row_change();
create trigger revenue_inputs_are_never_truncated before truncate on public.revenue_inputs
  for each statement execute function public.refuse_truncate();

create function public.record_revenue(p_inputs jsonb) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_new public.revenue_inputs;
  v_latest public.revenue_inputs;
  v_constraint text;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may record revenue' using errcode = '42501';
  end if;
  v_new.kind := coalesce(p_inputs ->> 'kind', 'regular');
  v_new.window_start := (p_inputs ->> 'window_start')::timestamptz;
  v_new.window_end := (p_inputs ->> 'window_end')::timestamptz;
  v_new.currency := p_inputs ->> 'currency';
  v_new.gross_cents := public.window_cents(p_inputs, 'gross_cents');
  v_new.taxes_cents := public.window_cents(p_inputs, 'taxes_cents');
  v_new.store_fees_cents := public.window_cents(p_inputs, 'store_fees_cents');
  v_new.refunds_cents := public.window_cents(p_inputs, 'refunds_cents');
  v_new.costs_cents := public.window_cents(p_inputs, 'costs_cents');
  v_new.given_pool_cents := case when p_inputs ->> 'given_pool_cents' is not null
    then public.window_cents(p_inputs, 'given_pool_cents') end;
  v_new.policy_name := p_inputs ->> 'policy_name';
  v_new.policy_version := public.window_cents(p_inputs, 'policy_version', 1000000);
  if v_new.window_start < timestamptz '1970-01-01 00:00+00' or v_new.window_end > timestamptz '2100-01-01 00:00+00' then
    raise exception 'revenue is recorded for days from 1970 to 2100'
      using errcode = '22Z12', detail = jsonb_build_object('window_start', v_new.window_start)::text;
  end if;
  perform pg_advisory_xact_lock(hashtextextended('fairshare.revenue_inputs', 0));
  select * into v_latest from public.revenue_inputs r
  where r.kind = v_new.kind and r.window_start = v_new.window_start and r.window_end = v_new.window_end
  order by r.id desc limit 1;
  if found and to_jsonb(v_latest) - '{id,entered_by,entered_at}'::text[] = to_jsonb(v_new) - '{id,entered_by,entered_at}'::text[] then
    return jsonb_build_object('id', v_latest.id, 'replayed', true);
  end if;
  insert into public.revenue_inputs (kind, window_start, window_end, currency, gross_cents, taxes_cents, store_fees_cents,
    refunds_cents, costs_cents, given_pool_cents, policy_name, policy_version, entered_by)
  values (v_new.kind, v_new.window_start, v_new.window_end, v_new.currency, v_new.gross_cents, v_new.taxes_cents,
    v_new.store_fees_cents, v_new.refunds_cents, v_new.costs_cents, v_new.given_pool_cents, v_new.policy_name,
    v_new.policy_version, (select auth.uid()))
  returning * into v_new;
  perform public.record_audit('revenue.recorded', 'revenue_inputs', v_new.id::text,
    to_jsonb(v_new) - '{id,entered_by,entered_at}'::text[]);
  return jsonb_build_object('id', v_new.id, 'replayed', false);
exception
  when check_violation or not_null_violation or foreign_key_violation or invalid_text_representation
    or invalid_datetime_format or datetime_field_overflow then
    get stacked diagnostics v_constraint = constraint_name;
    raise exception 'the revenue can not be kept: %', coalesce(nullif(replace(v_constraint, '_', ' '), ''), sqlerrm)
      using errcode = '22Z12', detail = jsonb_build_object('rule', v_constraint)::text;
end
$$;
comment on function public.record_revenue(jsonb) is
  'Writes down the figures and the policy of a window to come; the latest figures again change nothing.';
revoke all on function public.record_revenue(jsonb) from public, anon, authenticated, service_role;
grant execute on function public.record_revenue(jsonb) to authenticated, service_role;
