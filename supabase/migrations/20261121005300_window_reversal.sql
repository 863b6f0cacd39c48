-- Why: a wrong window is taken back whole, entry for entry, and closed anew as the next version; it is never edited.
--
-- Money that has moved on since is covered first, in a posting of its own (reversal_cover), so that the reversal can mirror
-- the close exactly and no account falls below zero: what the window put into reserve and was released since, and what it
-- carried forward and was released since, is taken from the creator's available money; what is missing there, because it
-- was paid out, the creator owes (creator_receivable, the one account of a creator that may be negative).
--
-- Raises 42501, 22Z01 the key was used for another reversal, 22Z12 malformed, 22Z44 the window does not stand.

create table public.window_reversals (
  revenue_window_id bigint primary key references public.revenue_windows (id),
  idempotency_key text not null unique,
  request_hash text not null,
  reason text not null,
  reversed_by uuid,
  approved_by uuid,
  reversed_at timestamptz not null default now(),
  ledger_transaction_id bigint unique references public.ledger_transactions (id),
  cover_transaction_id bigint unique references public.ledger_transactions (id),
  owed_cents bigint not null,
  result jsonb not null,
  constraint reversal_reason_is_told check (length(reason) between 1 and 2000),
  constraint owed_is_not_negative check (owed_cents >= 0),
  constraint a_second_person_approves_a_reversal check (approved_by <> reversed_by)
);
comment on table public.window_reversals is 'Windows that were taken back: by whom, why, and what creators owe since.';
comment on column public.window_reversals.cover_transaction_id is
  'The posting that covered what had moved on since the close; null when nothing had.';
comment on column public.window_reversals.owed_cents is 'What had been paid out already, owed by creators since.';

alter table public.window_reversals enable row level security;
revoke all on public.window_reversals from public, anon, authenticated, service_role;
grant select on public.window_reversals to authenticated, service_role;
create policy "Admins read every reversal" on public.window_reversals
  for select to authenticated using ((select public.is_admin()));
create trigger reversals_are_append_only before update or delete on public.window_reversals
  for each row execute function public.refuse_row_change();
create trigger reversals_are_never_truncated before truncate on public.window_reversals
  for each statement execute function public.refuse_truncate();

create function public.reversal_cover(p_window public.revenue_windows) returns jsonb
language sql stable set search_path = '' as $$
  with moved as (
    select a.user_id,
      coalesce(sum(e.amount_cents) filter (where a.kind = 'creator_available'), 0) as available,
      coalesce(sum(e.amount_cents) filter (where a.kind = 'creator_carried'), 0) as carried
    from public.ledger_entries e join public.ledger_accounts a on a.id = e.account_id
    where e.transaction_id = p_window.ledger_transaction_id and a.user_id is not null group by a.user_id
  ), held as (
    select m.*,
      coalesce((select r.amount_cents from public.reserves r where r.revenue_window_id = p_window.id
        and r.creator_id = m.user_id and r.released_at is not null), 0) as reserve_gone,
      greatest(0, m.carried - coalesce((select k.balance_cents from public.ledger_accounts k
        where k.kind = 'creator_carried' and coalesce(k.user_id, -1) = m.user_id and k.currency = p_window.currency), 0))
        as carried_gone,
      coalesce((select k.balance_cents from public.ledger_accounts k where k.kind = 'creator_available'
        and coalesce(k.user_id, -1) = m.user_id and k.currency = p_window.currency), 0) as has
    from moved m
  ), needs as (
    select h.*, greatest(0, h.available + h.reserve_gone + h.carried_gone - h.has) as owed from held h
  ), entries (ord, user_id, kind, amount_cents) as (
    select 1, user_id, 'creator_receivable', -owed from needs
    union all select 2, user_id, 'creator_available', owed - reserve_gone - carried_gone from needs
    union all select 3, user_id, 'creator_reserve', reserve_gone from needs
    union all select 4, user_id, 'creator_carried', carried_gone from needs
  )
  select jsonb_agg(jsonb_build_object('kind', kind, 'user_id', user_id, 'amount_cents', amount_cents) order by ord, user_id)
  from entries where amount_cents <> 0
$$;
comment on function public.reversal_cover(public.revenue_windows) is
  'The entries that put back what moved on since the close; null when nothing did. Accounts must be locked.';

create function public.write_reversal(
  p_idempotency_key text, p_hash text, p_revenue_window_id bigint, p_reason text, p_reversed_by uuid, p_approved_by uuid
) returns jsonb
language plpgsql security definer set search_path = '' set work_mem = '64MB' as $$
declare
  v_window public.revenue_windows;
  v_cover jsonb;
  v_mirror jsonb;
  v_cover_posting jsonb;
  v_posting jsonb;
  v_owed bigint;
  v_result jsonb;
begin
  select * into v_window from public.revenue_windows w where w.id = p_revenue_window_id for update;
  if not found or v_window.status <> 'closed' then
    raise exception 'window % is not a closed window that stands', p_revenue_window_id
      using errcode = '22Z44', detail = jsonb_build_object('revenue_window_id', p_revenue_window_id,
        'status', v_window.status)::text;
  end if;
  -- Reserves first, accounts after them, both in id order, as a release takes them; then nothing moves any more.
  perform r.id from public.reserves r where r.revenue_window_id = p_revenue_window_id order by r.id for update;
  perform a.id from public.ledger_accounts a
  where a.currency = v_window.currency and (a.user_id is null or a.user_id in (
    select w.creator_id from public.window_allocations w where w.revenue_window_id = p_revenue_window_id))
  order by a.id for update;

  v_cover := public.reversal_cover(v_window);
  select coalesce(-sum((e ->> 'amount_cents')::bigint), 0) into v_owed
  from jsonb_array_elements(coalesce(v_cover, '[]')) e where e ->> 'kind' = 'creator_receivable';
  if v_cover is not null then
    v_cover_posting := public.post_ledger_transaction('cover:' || p_idempotency_key, 'reversal_cover', v_cover, now(),
      'Cover of the reversal of window ' || v_window.id, v_window.currency, null, v_window.id);
  end if;
  -- Backwards, so that no account dips below zero on the way.
  select jsonb_agg(jsonb_build_object('kind', a.kind, 'user_id', a.user_id, 'amount_cents', -e.amount_cents)
    order by e.id desc) into v_mirror
  from public.ledger_entries e join public.ledger_accounts a on a.id = e.account_id
  where e.transaction_id = v_window.ledger_transaction_id;
  if v_mirror is not null then
    v_posting := public.post_ledger_transaction('reverse:' || p_idempotency_key, 'window_reversal', v_mirror, now(),
      'Reversal of window ' || v_window.id, v_window.currency, v_window.ledger_transaction_id, v_window.id);
  end if;
  update public.revenue_windows set status = 'reversed' where id = v_window.id;

  v_result := jsonb_build_object('revenue_window_id', v_window.id, 'version', v_window.version, 'status', 'reversed',
    'window_start', v_window.window_start, 'window_end', v_window.window_end, 'currency', v_window.currency,
    'pool_cents', v_window.pool_cents, 'allocated_cents', v_window.allocated_cents, 'owed_cents', v_owed,
    'reversed_at', now(), 'ledger_transaction_id', v_posting -> 'transaction_id',
    'cover_transaction_id', v_cover_posting -> 'transaction_id', 'replayed', false);
  insert into public.window_reversals (revenue_window_id, idempotency_key, request_hash, reason, reversed_by, approved_by,
    ledger_transaction_id, cover_transaction_id, owed_cents, result)
  values (v_window.id, p_idempotency_key, p_hash, p_reason, p_reversed_by, p_approved_by,
    (v_posting ->> 'transaction_id')::bigint, (v_cover_posting ->> 'transaction_id')::bigint, v_owed, v_result);
  insert into public.notifications (user_id, kind, title, body, link)
  select a.creator_id, 'window_reversed',
    format('Your share of %s to %s was taken back', to_char(v_window.window_start at time zone 'UTC', 'YYYY-MM-DD'),
      to_char(v_window.window_end at time zone 'UTC', 'YYYY-MM-DD')),
    format('%s %s of share were booked back. Reason: %s. A corrected version follows.',
      public.cents_text(a.capped_cents), v_window.currency, p_reason), 'payouts'
  from public.window_allocations a join public.users u on u.id = a.creator_id
  where a.revenue_window_id = v_window.id and u.auth_id is not null;
  perform public.record_audit('window.reversed', 'revenue_windows', v_window.id::text, v_result || jsonb_build_object(
    'idempotency_key', p_idempotency_key, 'reversed_by', p_reversed_by, 'approved_by', p_approved_by), p_reason);
  return v_result;
end
$$;
comment on function public.write_reversal(text, text, bigint, text, uuid, uuid) is
  'Takes a closed window back in one transaction: cover, mirror of the close, status, notifications.';

create function public.reverse_revenue_window(p_idempotency_key text, p_revenue_window_id bigint, p_reason text)
returns jsonb
language plpgsql security definer set search_path = '' set statement_timeout = '60s' as $$
declare
  v_hash text;
  v_done public.window_reversals;
  v_window public.revenue_windows;
  v_answer jsonb;
  v_why text;
begin
  if not public.is_job() and public.is_admin() is distinct from true then
    raise exception 'only an admin may reverse a revenue window' using errcode = '42501';
  end if;
  if coalesce(length(p_idempotency_key), 0) not between 1 and 180 or p_revenue_window_id is null
    or coalesce(length(trim(p_reason)), 0) not between 1 and 2000 then
    raise exception 'a reversal needs a key of at most 180 letters, a window and a reason'
      using errcode = '22Z12', detail = jsonb_build_object('revenue_window_id', p_revenue_window_id)::text;
  end if;
  v_hash := encode(sha256(convert_to(jsonb_build_array(p_revenue_window_id, p_reason)::text, 'utf8')), 'hex');
  perform public.lock_windows();
  select * into v_done from public.window_reversals r where r.idempotency_key = p_idempotency_key;
  if found then
    if v_done.request_hash <> v_hash then
      raise exception 'the key % reversed window %', p_idempotency_key, v_done.revenue_window_id
        using errcode = '22Z01', detail = jsonb_build_object('idempotency_key', p_idempotency_key,
          'revenue_window_id', v_done.revenue_window_id)::text;
    end if;
    return v_done.result || '{"replayed": true}';
  end if;
  v_answer := public.known_answer('reverse', p_idempotency_key, v_hash);
  if v_answer is not null then
    return v_answer;
  end if;
  select * into v_window from public.revenue_windows w where w.id = p_revenue_window_id;
  v_why := public.second_person_needed(v_window.policy_name, v_window.policy_version, v_window.policy, v_window.pool_cents);
  if v_why is null then
    return public.write_reversal(p_idempotency_key, v_hash, p_revenue_window_id, p_reason, (select auth.uid()), null);
  end if;
  begin
    v_answer := public.write_reversal(p_idempotency_key, v_hash, p_revenue_window_id, p_reason, (select auth.uid()), null);
    raise exception 'taken back' using errcode = '22Z99';
  exception when sqlstate '22Z99' then
    null;
  end;
  return public.propose('reverse', p_idempotency_key, v_hash,
    jsonb_build_object('revenue_window_id', p_revenue_window_id, 'reason', p_reason),
    v_answer - '{ledger_transaction_id,cover_transaction_id,reversed_at,status,replayed}'::text[]
      || jsonb_build_object('kind', v_window.kind, 'reason', p_reason,
        'policy', v_window.policy_name || '@' || v_window.policy_version), v_why);
end
$$;
comment on function public.reverse_revenue_window(text, bigint, text) is
  'Takes a closed window back once per key; or keeps that as a proposal for a second admin.';

revoke all on function public.reversal_cover(public.revenue_windows),
  public.write_reversal(text, text, bigint, text, uuid, uuid), public.reverse_revenue_window(text, bigint, text)
  from public, anon, authenticated, service_role;
grant execute on function public.reverse_revenue_window(text, bigint, text) to authenticated, service_role;
