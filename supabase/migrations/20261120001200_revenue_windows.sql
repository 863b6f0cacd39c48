-- Why: a closed revenue window: its inputs, the policy in force, what each video earned, what each creator got. Written
-- by close_revenue_window alone. A wrong window is reversed and closed anew as the next version, never edited.

create table public.revenue_windows (
  id bigint generated always as identity primary key,
  kind text not null default 'regular',
  version integer not null default 1,
  window_start timestamptz not null,
  window_end timestamptz not null,
  currency text not null,
  gross_cents bigint not null,
  taxes_cents bigint not null,
  store_fees_cents bigint not null,
  refunds_cents bigint not null,
  costs_cents bigint not null,
  pool_cents bigint not null,
  allocated_cents bigint not null,
  residual_cents bigint not null,
  policy_name text not null,
  policy_version integer not null,
  policy jsonb not null,
  use_caps boolean not null,
  model text not null,
  mean_eis numeric,
  given_pool_cents bigint,
  status text not null default 'closed',
  idempotency_key text not null unique,
  request_hash text not null,
  closed_by uuid,
  approved_by uuid,
  closed_at timestamptz not null default now(),
  ledger_transaction_id bigint unique references public.ledger_transactions (id),
  result jsonb,
  constraint window_kind_is_known check (kind in ('regular', 'bonus')),
  constraint window_status_is_known check (status in ('closed', 'reversed')),
  constraint window_is_not_empty check (window_start < window_end),
  constraint window_currency_is_three_letters check (currency ~ '^[A-Z]{3}$'),
  constraint a_second_person_approves check (approved_by <> closed_by),
  constraint given_pool_is_not_negative check (given_pool_cents >= 0),
  constraint mean_eis_is_0_to_100 check (mean_eis between 0 and 100),
  constraint window_amounts_are_not_negative check (
    least(gross_cents, taxes_cents, store_fees_cents, refunds_cents, costs_cents,
      pool_cents, allocated_cents, residual_cents) >= 0),
  constraint allocations_and_residual_are_the_pool check (allocated_cents + residual_cents = pool_cents),
  constraint one_version_per_window unique (kind, window_start, window_end, version),
  -- A constraint and not a look beforehand. The kind is spelled as a range, since equality has no GiST operator here.
  constraint closed_windows_of_a_kind_do_not_overlap exclude using gist (
    (case kind when 'regular' then int4range(1, 2) when 'bonus' then int4range(2, 3) end) with &&,
    tstzrange(window_start, window_end) with &&
  ) where (status = 'closed')
);
comment on table public.revenue_windows is 'Closed revenue windows [start, end) in UTC, amounts in integer cents.';
comment on column public.revenue_windows.policy is 'The whole policy as it was in force, without caps where they were lifted.';
comment on column public.revenue_windows.mean_eis is 'Weighted by units; null without any engagement.';
comment on column public.revenue_windows.given_pool_cents is
  'The pool that a person set instead of the policy''s part; the margin still binds where a gross is given.';
comment on column public.revenue_windows.approved_by is 'auth.users.id of the second admin, where one was needed.';
comment on column public.revenue_windows.result is 'The answer that the close gave, given again to a retry.';
comment on column public.revenue_windows.closed_by is 'auth.users.id of the admin; null when a job closed it.';
comment on column public.revenue_windows.ledger_transaction_id is 'Null when there was nothing to post: a pool of 0.';

alter table public.ledger_transactions add constraint ledger_transactions_revenue_window_id_fkey
  foreign key (revenue_window_id) references public.revenue_windows (id);
create index ledger_transactions_by_window on public.ledger_transactions (revenue_window_id)
  where revenue_window_id is not null;

create table public.video_rev_shares (
  id bigint generated always as identity primary key,
  revenue_window_id bigint not null references public.revenue_windows (id),
  video_id bigint not null references public.videos (id),
  creator_id bigint not null references public.users (id),
  eng_units double precision not null,
  counted_units double precision,
  eis_avg double precision,
  vu double precision not null,
  share_pct double precision not null,
  allocated_cents bigint not null,
  model text not null,
  constraint one_share_per_window_and_video unique (revenue_window_id, video_id),
  constraint share_figures_are_not_negative check (
    least(eng_units, counted_units, vu, share_pct) >= 0 and allocated_cents >= 0
    and greatest(eng_units, counted_units, vu, share_pct) < 'infinity'::double precision),
  constraint share_eis_is_0_to_100 check (eis_avg between 0 and 100)
);
comment on table public.video_rev_shares is 'What each video brought its creator in a window, before fee and reserve.';
comment on column public.video_rev_shares.share_pct is 'Share of all value units of the window.';
create index video_rev_shares_by_creator on public.video_rev_shares (creator_id, revenue_window_id);
create index video_rev_shares_by_video on public.video_rev_shares (video_id);

create table public.window_allocations (
  revenue_window_id bigint not null references public.revenue_windows (id),
  creator_id bigint not null references public.users (id),
  alloc_cents bigint not null,
  capped_cents bigint not null,
  platform_fee_cents bigint not null,
  reserve_cents bigint not null,
  pay_now_cents bigint not null,
  carried_cents bigint not null,
  cap_cents bigint,
  released_carry_cents bigint not null default 0,
  streak_ppb bigint not null default 1000000000,
  primary key (revenue_window_id, creator_id),
  constraint allocation_amounts_are_not_negative check (
    least(alloc_cents, capped_cents, platform_fee_cents, reserve_cents, pay_now_cents, carried_cents,
      released_carry_cents) >= 0),
  constraint allocation_stays_under_its_cap check (capped_cents <= cap_cents),
  constraint allocation_parts_sum_up check (
    capped_cents = platform_fee_cents + reserve_cents + pay_now_cents + carried_cents),
  constraint paid_or_carried_not_both check (pay_now_cents = 0 or carried_cents = 0),
  constraint streak_moves_a_share_within_reason check (streak_ppb between 0 and 2000000000)
);
comment on table public.window_allocations is 'What each creator got of a window, and how it was parted.';
comment on column public.window_allocations.alloc_cents is 'The share before caps.';
comment on column public.window_allocations.capped_cents is 'The allocation: after caps and what others could not take.';
comment on column public.window_allocations.cap_cents is 'The cap in force for the creator at the close; null for none.';
comment on column public.window_allocations.streak_ppb is
  'The factor on the share for the last days'' mean EIS, in parts per billion.';
comment on column public.window_allocations.released_carry_cents is
  'Carried forward from earlier windows and made available by this one.';
create index window_allocations_by_creator on public.window_allocations (creator_id);

create table public.reserves (
  id bigint generated always as identity primary key,
  creator_id bigint not null references public.users (id),
  revenue_window_id bigint not null references public.revenue_windows (id),
  amount_cents bigint not null,
  available_at timestamptz not null,
  released_at timestamptz,
  constraint one_reserve_per_window_and_creator unique (revenue_window_id, creator_id),
  constraint reserve_is_positive check (amount_cents > 0),
  constraint no_early_release check (released_at >= available_at)
);
comment on table public.reserves is 'Safety reserves: held until available_at (UTC, the close plus hold_days of 86,400 s).';
create index reserves_by_creator on public.reserves (creator_id);
create index reserves_due on public.reserves (available_at) where released_at is null;

alter table public.revenue_windows enable row level security;
alter table public.video_rev_shares enable row level security;
alter table public.window_allocations enable row level security;
alter table public.reserves enable row level security;
revoke all on public.revenue_windows, public.video_rev_shares, public.window_allocations, public.reserves
  from public, anon, authenticated, service_role;
revoke all on sequence public.revenue_windows_id_seq, public.video_rev_shares_id_seq, public.reserves_id_seq
  from public, anon, authenticated, service_role;
grant select on public.revenue_windows, public.video_rev_shares, public.window_allocations, public.reserves
  to authenticated, service_role;

-- Revenue, taxes and costs are for admins alone; creators see their windows through my_windows().
create policy "Admins read every window" on public.revenue_windows
  for select to authenticated using ((select public.is_admin()));
create policy "Creators read the shares of their own videos" on public.video_rev_shares
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every share" on public.video_rev_shares
  for select to authenticated using ((select public.is_reviewer()));
create policy "Creators read their own allocations" on public.window_allocations
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every allocation" on public.window_allocations
  for select to authenticated using ((select public.is_reviewer()));
create policy "Creators read their own reserves" on public.reserves
  for select to authenticated using (creator_id = (select public.my_user_id()));
create policy "Reviewers read every reserve" on public.reserves
  for select to authenticated using ((select public.is_reviewer()));

create trigger shares_are_append_only before update or delete on public.video_rev_shares
  for each row execute function public.refuse_row_change();
create trigger shares_are_never_truncated before truncate on public.video_rev_shares
  for each statement execute function public.refuse_truncate();
create trigger allocations_are_append_only before update or delete on public.window_allocations
  for each row execute function public.refuse_row_change();
create trigger allocations_are_never_truncated before truncate on public.window_allocations
  for each statement execute function public.refuse_truncate();

-- A window is finished within the transaction that closes it; afterwards only its status may move, once.
create function public.guard_revenue_window() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    if old.result is null and to_jsonb(new) - '{result,ledger_transaction_id}'::text[]
        = to_jsonb(old) - '{result,ledger_transaction_id}'::text[] then
      return new;
    elsif old.status = 'closed' and new.status = 'reversed'
        and to_jsonb(new) - 'status' = to_jsonb(old) - 'status' then
      return new;
    end if;
  end if;
  raise exception 'a closed revenue window is never changed: reverse it and close a new version'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_revenue_window() is 'Trigger: a closed window can only be reversed.';
create function public.guard_reserve() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    if old.released_at is null and new.released_at is not null
        and to_jsonb(new) - 'released_at' = to_jsonb(old) - 'released_at' then
      return new;
    end if;
  end if;
  raise exception 'a reserve is only ever released, once'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;
comment on function public.guard_reserve() is 'Trigger: a reserve can only be released, once.';
revoke all on function public.guard_revenue_window(), public.guard_reserve()
  from public, anon, authenticated, service_role;
create trigger windows_are_only_reversed before update or delete on public.revenue_windows
  for each row execute function public.guard_revenue_window();
create trigger windows_are_never_truncated before truncate on public.revenue_windows
  for each statement execute function public.refuse_truncate();
create trigger reserves_are_only_released before update or delete on public.reserves
  for each row execute function public.guard_reserve();
create trigger reserves_are_never_truncated before truncate on public.reserves
  for each statement execute function public.refuse_truncate();

create function public.my_windows() returns table (
  revenue_window_id bigint, kind text, version integer, window_start timestamptz, window_end timestamptz,
  currency text, pool_cents bigint, policy_name text, policy jsonb, model text, status text, closed_at timestamptz)
language sql stable security definer set search_path = '' as $$
  select w.id, w.kind, w.version, w.window_start, w.window_end, w.currency, w.pool_cents, w.policy_name, w.policy,
    w.model, w.status, w.closed_at
  from public.revenue_windows w
  where exists (
    select from public.window_allocations a
    where a.revenue_window_id = w.id and a.creator_id = (select public.my_user_id()))
  order by w.window_start desc, w.version desc
$$;
comment on function public.my_windows() is 'The windows in which the signed-in creator took part, without the platform''s own figures.';
revoke all on function public.my_windows() from public, anon, authenticated, service_role;
grant execute on function public.my_windows() to authenticated;
