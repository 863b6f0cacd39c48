-- Why: what a creator is told of a window, once and for all: a numbered statement with the steps from the share to the
-- money, which sum exactly. Files (PDF, CSV) are drawn from this row and from the shares, which never change either, so that
-- the same statement is the same file to the byte whenever it is drawn.
--
-- The number: kind, days and version of the window, and the creator's place in it: R20261001-20261031-1-000042.
--
-- Raises 42501, 22Z45 the window does not stand.

create table public.statements (
  number text primary key,
  revenue_window_id bigint not null references public.revenue_windows (id),
  creator_id bigint not null references public.users (id),
  figures jsonb not null,
  issued_at timestamptz not null default now(),
  constraint one_statement_per_window_and_creator unique (revenue_window_id, creator_id),
  constraint statement_number_has_its_form check (number ~ '^[RB][0-9]{8}-[0-9]{8}-[0-9]+-[0-9]{6,}$')
);
comment on table public.statements is 'Numbered statements of creators, one a window. Never changed; a correction is the next version''s.';
comment on column public.statements.figures is
  'The steps in cents (share, over_limit, from_others, fee, reserve, carried, carried_before, owed sum to available), units and policy.';
create index statements_by_creator on public.statements (creator_id);

alter table public.statements enable row level security;
revoke all on public.statements from public, anon, authenticated, service_role;
grant select on public.statements to authenticated, service_role;
create policy "Creators read their own statements" on public.statements
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every statement" on public.statements
  for select to authenticated using ((select public.is_reviewer()));
create trigger statements_are_append_only before update or delete on public.statements
  for each row execute function public.refuse_row_change();
create trigger statements_are_never_truncated before truncate on public.statements
  for each statement execute function public.refuse_truncate();

create function public.statement_figures(p_window public.revenue_windows)
returns table (creator_id bigint, figures jsonb)
language sql stable set search_path = '' as $$
  select a.creator_id, jsonb_build_object(
    'currency', p_window.currency, 'kind', p_window.kind, 'version', p_window.version,
    'first_day', to_char(p_window.window_start at time zone 'UTC', 'YYYY-MM-DD'),
    'last_day', to_char((p_window.window_end - interval '1 microsecond') at time zone 'UTC', 'YYYY-MM-DD'),
    'policy', p_window.policy_name || '@' || p_window.policy_version, 'model', p_window.model,
    'hold_days', p_window.policy -> 'hold_days', 'min_payout_cents', p_window.policy -> 'min_payout_cents',
    'share_cents', a.alloc_cents,
    'over_limit_cents', least(0, a.capped_cents - a.alloc_cents),
    'from_others_cents', greatest(0, a.capped_cents - a.alloc_cents),
    'fee_cents', -a.platform_fee_cents, 'reserve_cents', -a.reserve_cents, 'carried_before_cents', a.released_carry_cents,
    -- What was owed was taken from what became available, or from what would have been carried.
    'owed_cents', -coalesce(o.cents, 0),
    'carried_cents', -(a.carried_cents - case when a.carried_cents > 0 then coalesce(o.cents, 0) else 0 end),
    'available_cents', a.pay_now_cents + a.released_carry_cents
      - case when a.carried_cents > 0 then 0 else coalesce(o.cents, 0) end,
    'streak_ppb', a.streak_ppb, 'videos', coalesce(s.videos, 0), 'units', coalesce(s.units, 0),
    'counted_units', coalesce(round(s.counted_units, 3), 0))
  from public.window_allocations a
  left join (
    -- Decimal sums: those of floats would depend on the order of the rows.
    select v.creator_id, count(*) as videos, sum(v.eng_units)::bigint as units,
      sum(coalesce(v.counted_units, v.eng_units)::numeric) as counted_units
    from public.video_rev_shares v where v.revenue_window_id = p_window.id
    group by v.creator_id
  ) s on s.creator_id = a.creator_id
  left join (
    select k.user_id, sum(e.amount_cents)::bigint as cents
    from public.ledger_entries e join public.ledger_accounts k on k.id = e.account_id and k.kind = 'creator_receivable'
    where e.transaction_id = p_window.ledger_transaction_id group by k.user_id
  ) o on o.user_id = a.creator_id
  where a.revenue_window_id = p_window.id
$$;
comment on function public.statement_figures(public.revenue_windows) is
  'Each creator''s steps of a window, signed, so that they sum to what became available.';

create function public.issue_statements(p_revenue_window_id bigint) returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' set work_mem = '64MB' as $$
declare
  v_window public.revenue_windows;
  v_prefix text;
  v_kept bigint;
  v_issued bigint;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may issue statements' using errcode = '42501';
  end if;
  -- A reversal of the window is waited for, and a second issue of the same.
  select * into v_window from public.revenue_windows w where w.id = p_revenue_window_id for update;
  select count(*) into v_kept from public.statements s where s.revenue_window_id = p_revenue_window_id;
  if v_window.id is null or (v_window.status <> 'closed' and v_kept = 0) then
    raise exception 'window % is not a closed window that stands', p_revenue_window_id
      using errcode = '22Z45', detail = jsonb_build_object('revenue_window_id', p_revenue_window_id)::text;
  elsif v_kept > 0 then
    return jsonb_build_object('revenue_window_id', p_revenue_window_id, 'statements', v_kept, 'replayed', true);
  end if;
  v_prefix := upper(left(v_window.kind, 1)) || to_char(v_window.window_start at time zone 'UTC', 'YYYYMMDD') || '-'
    || to_char((v_window.window_end - interval '1 microsecond') at time zone 'UTC', 'YYYYMMDD') || '-' || v_window.version || '-';
  insert into public.statements (number, revenue_window_id, creator_id, figures)
  select v_prefix || case when place < 1000000 then lpad(place::text, 6, '0') else place::text end, v_window.id,
    f.creator_id, f.figures
  from (
    select row_number() over (order by creator_id) as place, * from public.statement_figures(v_window)
  ) f;
  get diagnostics v_issued = row_count;
  perform public.record_audit('statements.issued', 'revenue_windows', p_revenue_window_id::text,
    jsonb_build_object('statements', v_issued, 'first', v_prefix || '000001'));
  return jsonb_build_object('revenue_window_id', p_revenue_window_id, 'statements', v_issued, 'replayed', false);
end
$$;
comment on function public.issue_statements(bigint) is 'Issues the statements of a closed window, all or none, once.';

revoke all on function public.statement_figures(public.revenue_windows), public.issue_statements(bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.issue_statements(bigint) to authenticated, service_role;
