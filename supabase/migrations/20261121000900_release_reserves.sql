-- Why: reserves whose time has come become available, once, each by a ledger transaction of its own. Time is the
-- database's, in UTC: available_at was stored at the close as a count of seconds, so no clock change moves it. Reserves of
-- a reversed window are gone with it and are not released.

alter table public.reserves add column release_transaction_id bigint
  references public.ledger_transactions (id),
  add constraint one_transaction_per_release unique (release_transaction_id),
  add constraint a_release_is_posted check ((released_at is null) = (release_transaction_id is null));
comment on column public.reserves.release_transaction_id is 'The posting that released it.';

create or replace function public.guard_reserve() returns trigger
language plpgsql set search_path = '' as $$
begin
  if tg_op = 'UPDATE' then
    if old.released_at is null and new.released_at is not null
        and to_jsonb(new) - '{released_at,release_transaction_id}'::text[]
          = to_jsonb(old) - '{released_at,release_transaction_id}'::text[] then
      return new;
    end if;
  end if;
  raise exception 'a reserve is only ever released, once'
    using errcode = '22Z10', detail = jsonb_build_object('table', tg_table_name, 'id', old.id)::text;
end
$$;

create function public.release_due_reserves(p_most integer default 500, p_until timestamptz default null)
returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  -- Never later than now: a caller may look back, not ahead.
  v_until timestamptz := least(p_until, now());
  v_ids bigint[];
  v_reserve record;
  v_owed bigint;
  v_posting jsonb;
  v_cents bigint := 0;
begin
  -- A window that is being closed or reversed is waited for; releases do not wait for each other.
  perform pg_advisory_xact_lock_shared(hashtextextended('fairshare.close_revenue_window', 0));
  select array_agg(d.id) into v_ids from (
    select r.id from public.reserves r join public.revenue_windows w on w.id = r.revenue_window_id
    where r.released_at is null and r.available_at <= v_until and w.status = 'closed'
    order by r.id limit greatest(p_most, 0) for update of r skip locked
  ) d;
  perform a.id from public.ledger_accounts a
  where (a.user_id, a.currency) in (
    select r.creator_id, w.currency from public.reserves r join public.revenue_windows w on w.id = r.revenue_window_id
    where r.id = any(v_ids))
  order by a.id for update;
  for v_reserve in
    select r.id, r.creator_id, r.amount_cents, r.available_at, r.revenue_window_id, w.currency
    from public.reserves r join public.revenue_windows w on w.id = r.revenue_window_id
    where r.id = any(v_ids) order by r.id
  loop
    v_owed := public.receivable_part(v_reserve.amount_cents,
      public.balance_cents(v_reserve.creator_id, 'creator_receivable', v_reserve.currency));
    v_posting := public.post_ledger_transaction('reserve:' || v_reserve.id, 'reserve_release', (
      select jsonb_agg(to_jsonb(e)) from (values
        ('creator_reserve', v_reserve.creator_id, -v_reserve.amount_cents),
        ('creator_available', v_reserve.creator_id, v_reserve.amount_cents - v_owed),
        ('creator_receivable', v_reserve.creator_id, v_owed)) e(kind, user_id, amount_cents)
      where e.amount_cents <> 0), v_reserve.available_at, 'Reserve of window ' || v_reserve.revenue_window_id,
      v_reserve.currency);
    update public.reserves r set released_at = now(), release_transaction_id = (v_posting ->> 'transaction_id')::bigint
    where r.id = v_reserve.id;
    v_cents := v_cents + v_reserve.amount_cents;
  end loop;
  return jsonb_build_object('released', coalesce(cardinality(v_ids), 0), 'cents', v_cents);
end
$$;
comment on function public.release_due_reserves(integer, timestamptz) is
  'Releases up to so many reserves whose time has come, what is owed first; answers how many and how much.';

revoke all on function public.release_due_reserves(integer, timestamptz) from public, anon, authenticated, service_role;
grant execute on function public.release_due_reserves(integer, timestamptz) to service_role;
