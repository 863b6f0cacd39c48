-- Why: a chargeback that was won, or a fraud that was none, is given back: the clawback's transaction is mirrored entry for
-- entry, once, by an admin who says why. The clawback itself stays as it was written.
--
-- What the creator owed for it may have been taken from a later window since. Then the mirror would lift the receivable
-- account above zero, as if the platform's debt were the creator's; so that surplus is moved to what is available first, in
-- a posting of its own (clawback_cover). And what the creator still owes for other reasons is filled from what comes back
-- (debt_netting), as from every credit.
--
-- A dispute that is told again after that takes nothing back: its reference stands.
--
-- Raises 42501, 22Z01 the key gave something else back, 22Z12 malformed, 22ZG1 it was given back before.

create table public.clawback_reversals (
  id bigint generated always as identity primary key,
  clawback_id bigint not null references public.clawbacks (id),
  idempotency_key text not null unique,
  reason text not null,
  reversed_by bigint references public.users (id),
  created_at timestamptz not null default now(),
  available_cents bigint not null,
  owed_cents bigint not null,
  ledger_transaction_id bigint not null references public.ledger_transactions (id),
  cover_transaction_id bigint references public.ledger_transactions (id),
  constraint a_clawback_is_given_back_once unique (clawback_id),
  constraint one_transaction_per_clawback_reversal unique (ledger_transaction_id),
  constraint one_cover_per_clawback_reversal unique (cover_transaction_id),
  constraint clawback_reversal_key_is_short check (length(idempotency_key) between 1 and 150),
  constraint clawback_reversal_has_a_reason check (length(reason) between 3 and 300),
  constraint given_back_is_not_negative check (least(available_cents, owed_cents) >= 0)
);
comment on table public.clawback_reversals is 'Clawbacks that were wrong and were given back, once each.';
comment on column public.clawback_reversals.reversed_by is 'The admin; null when a job or somebody inside the database did it.';
comment on column public.clawback_reversals.available_cents is 'What of it the creator can be paid.';
comment on column public.clawback_reversals.owed_cents is 'What of it cleared or filled a debt; both are the clawback''s amount.';

alter table public.clawback_reversals enable row level security;
revoke all on public.clawback_reversals from public, anon, authenticated, service_role;
revoke all on sequence public.clawback_reversals_id_seq from public, anon, authenticated, service_role;
grant select on public.clawback_reversals to authenticated, service_role;
create policy "Creators read what was given back to them" on public.clawback_reversals
  for select to authenticated
  using (clawback_id in (select c.id from public.clawbacks c where c.creator_id = (select public.my_user_id())));
create policy "Reviewers read everything that was given back" on public.clawback_reversals
  for select to authenticated using ((select public.is_reviewer()));
create trigger clawback_reversals_are_append_only before update or delete on public.clawback_reversals
  for each row execute function public.refuse_row_change();
create trigger clawback_reversals_are_never_truncated before truncate on public.clawback_reversals
  for each statement execute function public.refuse_truncate();
create trigger clawback_reversals_are_audited after insert on public.clawback_reversals
  for each row execute function public.audit_row('clawback.reversed');

create function public.reverse_clawback(p_idempotency_key text, p_clawback_id bigint, p_reason text) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_clawback public.clawbacks;
  v_done public.clawback_reversals;
  v_available bigint;
  v_debt bigint;
  v_surplus bigint;
  v_filled bigint;
  v_mirror jsonb;
  v_cover jsonb;
  v_posting jsonb;
begin
  if public.is_admin() is distinct from true and not public.is_job() then
    raise exception 'only an admin may give back what was taken' using errcode = '42501';
  end if;
  select * into v_clawback from public.clawbacks c where c.id = p_clawback_id;
  if not found or coalesce(length(p_idempotency_key), 0) not between 1 and 150
    or coalesce(length(trim(p_reason)), 0) not between 3 and 300 then
    raise exception 'giving back needs a clawback that is there, a key, and a reason of 3 to 300 letters'
      using errcode = '22Z12', detail = jsonb_build_object('clawback_id', p_clawback_id)::text;
  end if;
  if v_clawback.creator_id is not distinct from public.my_user_id() then
    raise exception 'nobody gives back to themselves' using errcode = '42501';
  end if;
  perform public.lock_creator_accounts(v_clawback.creator_id, v_clawback.currency, array['platform_revenue']);
  select * into v_done from public.clawback_reversals r where r.idempotency_key = p_idempotency_key;
  if found then
    if (v_done.clawback_id, v_done.reason) is distinct from (p_clawback_id, p_reason) then
      raise exception 'the key % gave clawback % back', p_idempotency_key, v_done.clawback_id
        using errcode = '22Z01', detail = jsonb_build_object('idempotency_key', p_idempotency_key,
          'clawback_id', v_done.clawback_id)::text;
    end if;
    return public.clawback_reversal_answer(v_done, true);
  end if;
  if exists (select from public.clawback_reversals r where r.clawback_id = p_clawback_id) then
    raise exception 'clawback % was given back before', p_clawback_id
      using errcode = '22ZG1', detail = jsonb_build_object('clawback_id', p_clawback_id)::text;
  end if;

  select jsonb_agg(jsonb_build_object('kind', a.kind, 'user_id', a.user_id, 'amount_cents', -e.amount_cents)
      order by e.id desc),
    coalesce(-sum(e.amount_cents) filter (where a.kind = 'creator_available'), 0),
    coalesce(-sum(e.amount_cents) filter (where a.kind = 'creator_receivable'), 0)
  into v_mirror, v_available, v_debt
  from public.ledger_entries e join public.ledger_accounts a on a.id = e.account_id
  where e.transaction_id = v_clawback.ledger_transaction_id;
  -- What of the debt has been filled since, by whatever was credited.
  v_surplus := v_debt - public.receivable_part(v_debt,
    public.balance_cents(v_clawback.creator_id, 'creator_receivable', v_clawback.currency));
  if v_surplus > 0 then
    v_cover := public.post_ledger_transaction('clawback-cover:' || p_clawback_id, 'clawback_cover', jsonb_build_array(
      jsonb_build_object('kind', 'creator_receivable', 'user_id', v_clawback.creator_id, 'amount_cents', -v_surplus),
      jsonb_build_object('kind', 'creator_available', 'user_id', v_clawback.creator_id, 'amount_cents', v_surplus)),
      now(), 'What was taken for clawback ' || p_clawback_id, v_clawback.currency);
  end if;
  v_posting := public.post_ledger_transaction('clawback-back:' || p_clawback_id, 'clawback_reversal', v_mirror, now(),
    'Clawback ' || p_clawback_id || ' given back', v_clawback.currency, v_clawback.ledger_transaction_id);
  v_filled := public.net_receivable(v_clawback.creator_id, v_clawback.currency, 'clawback-net:' || p_clawback_id, now());

  insert into public.clawback_reversals (clawback_id, idempotency_key, reason, reversed_by, available_cents, owed_cents,
    ledger_transaction_id, cover_transaction_id)
  values (p_clawback_id, p_idempotency_key, p_reason, public.my_user_id(), v_available + v_surplus - v_filled,
    v_debt - v_surplus + v_filled, (v_posting ->> 'transaction_id')::bigint, (v_cover ->> 'transaction_id')::bigint)
  returning * into v_done;
  insert into public.notifications (user_id, kind, title, body, link)
  select u.id, 'given_back',
    format('%s %s were given back', public.cents_text(v_clawback.amount_cents), v_clawback.currency),
    format('They had been taken back on %s by mistake: %s are available', to_char(
      v_clawback.created_at at time zone 'UTC', 'YYYY-MM-DD'), public.cents_text(v_done.available_cents))
      || case when v_done.owed_cents > 0
        then format(', %s less is owed', public.cents_text(v_done.owed_cents)) else '' end
      || '. Reason: ' || p_reason, 'payouts'
  from public.users u where u.id = v_clawback.creator_id and u.auth_id is not null;
  return public.clawback_reversal_answer(v_done, false);
end
$$;
comment on function public.reverse_clawback(text, bigint, text) is
  'An admin gives a clawback back, once: cover, mirror, what is still owed; see the migration for the postings.';

create function public.clawback_reversal_answer(p_reversal public.clawback_reversals, p_replayed boolean) returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_build_object('clawback_id', p_reversal.clawback_id, 'available_cents', p_reversal.available_cents,
    'owed_cents', p_reversal.owed_cents, 'replayed', p_replayed)
$$;
comment on function public.clawback_reversal_answer(public.clawback_reversals, boolean) is 'What a caller is told of it.';

revoke all on function public.reverse_clawback(text, bigint, text),
  public.clawback_reversal_answer(public.clawback_reversals, boolean) from public, anon, authenticated, service_role;
grant execute on function public.reverse_clawback(text, bigint, text) to authenticated, service_role;
