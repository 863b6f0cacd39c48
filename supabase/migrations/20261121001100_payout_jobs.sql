-- Why: what the job that sends payouts asks for, and the simulator's own books. The simulator stands for a provider's
-- server: what it has been told is kept on its side, by our key, so that a second sending of one key is one transfer. No
-- money moves. The account's token chooses what happens: sim_paid, sim_failed, sim_timeout (the first call gets no answer
-- and does nothing), sim_lost_reply (it is made, and the answer gets lost), sim_late_return (paid, then it comes back),
-- sim_busy (the first attempt is turned away). Any other token is paid.

create table public.simulator_transfers (
  provider_key text primary key,
  payout_id bigint not null,
  token text not null,
  amount_cents bigint not null,
  currency text not null,
  status text not null,
  calls integer not null default 1,
  created_at timestamptz not null default now(),
  constraint simulator_status_is_known check (status in ('unseen', 'busy', 'paid', 'failed'))
);
comment on table public.simulator_transfers is 'The simulator''s side: what it was asked for, once per key. No money moves.';
create index simulator_transfers_by_payout on public.simulator_transfers (payout_id);
alter table public.simulator_transfers enable row level security;
revoke all on public.simulator_transfers from public, anon, authenticated, service_role;
grant select on public.simulator_transfers to service_role;

create function public.simulator_event(p_transfer public.simulator_transfers, p_kind text, p_reason text default null)
returns jsonb
language sql stable set search_path = '' as $$
  select jsonb_strip_nulls(jsonb_build_object('event_id', p_transfer.provider_key || ':' || p_kind, 'kind', p_kind,
    'provider_key', p_transfer.provider_key, 'amount_cents', p_transfer.amount_cents, 'currency', p_transfer.currency,
    'event_at', p_transfer.created_at, 'reference', 'sim_' || left(p_transfer.provider_key, 20), 'reason', p_reason))
$$;
comment on function public.simulator_event(public.simulator_transfers, text, text) is 'A message as the simulator words it.';

create function public.simulator_answer(p_transfer public.simulator_transfers) returns jsonb
language sql stable set search_path = '' as $$
  select case p_transfer.status
    when 'failed' then public.simulator_event(p_transfer, 'transfer.failed', 'The simulator was told to fail.')
    when 'busy' then public.simulator_event(p_transfer, 'transfer.busy', 'The simulator was told to be busy.')
    when 'paid' then public.simulator_event(p_transfer, 'transfer.accepted') end
$$;
comment on function public.simulator_answer(public.simulator_transfers) is 'What the simulator says of a transfer; null: it knows of none.';

create function public.simulator_send(
  p_provider_key text, p_payout_id bigint, p_token text, p_amount_cents bigint, p_currency text
) returns jsonb
language plpgsql security definer set search_path = '' as $$
declare
  v_transfer public.simulator_transfers;
begin
  insert into public.simulator_transfers (provider_key, payout_id, token, amount_cents, currency, status)
  values (p_provider_key, p_payout_id, p_token, p_amount_cents, p_currency, case
    when p_token = 'sim_failed' then 'failed'
    when p_token = 'sim_timeout' then 'unseen'
    when p_token = 'sim_busy' and not exists (
      select from public.simulator_transfers t where t.payout_id = p_payout_id) then 'busy'
    else 'paid' end)
  on conflict (provider_key) do update
    set calls = public.simulator_transfers.calls + 1,
      status = case when public.simulator_transfers.status = 'unseen' then 'paid' else public.simulator_transfers.status end
  returning * into v_transfer;
  if (v_transfer.token, v_transfer.amount_cents, v_transfer.currency)
      is distinct from (p_token, p_amount_cents, p_currency) then
    raise exception 'the simulator knows this key with another transfer'
      using errcode = '22Z01', detail = jsonb_build_object('provider_key', p_provider_key)::text;
  end if;
  -- Null is silence: the caller gets no answer.
  return case when v_transfer.calls = 1 and p_token in ('sim_timeout', 'sim_lost_reply') then null
    else public.simulator_answer(v_transfer) end;
end
$$;
comment on function public.simulator_send(text, bigint, text, bigint, text) is
  'The simulator takes a transfer, once per key, and answers; null when its answer gets lost.';

create function public.simulator_find(p_provider_key text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select public.simulator_answer(t) from public.simulator_transfers t where t.provider_key = p_provider_key
$$;
comment on function public.simulator_find(text) is 'What the simulator knows of a key; null when it knows nothing.';

-- Told again until it was heard: a message counts as heard once it is kept.
create function public.simulator_news() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(n.event order by n.ord), '[]') from (
    select 1 as ord, public.simulator_event(t, 'transfer.paid') as event
    from public.simulator_transfers t where t.status = 'paid'
    union all
    select 2, public.simulator_event(t, 'transfer.returned', 'The simulator was told to send it back.')
    from public.simulator_transfers t
    where t.status = 'paid' and t.token = 'sim_late_return' and exists (
      select from public.provider_events e
      where e.provider = 'simulator' and e.event_id = t.provider_key || ':transfer.paid')
  ) n where not exists (
    select from public.provider_events e where e.provider = 'simulator' and e.event_id = n.event ->> 'event_id')
$$;
comment on function public.simulator_news() is 'What the simulator would send as webhooks and was not heard yet.';

create function public.simulator_statement() returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('provider_key', t.provider_key, 'amount_cents', t.amount_cents,
    'currency', t.currency, 'state', case when t.status <> 'paid' then 'not paid'
      when t.token = 'sim_late_return' and exists (select from public.provider_events e where e.provider = 'simulator'
        and e.event_id = t.provider_key || ':transfer.returned') then 'returned'
      else 'paid' end) order by t.created_at), '[]')
  from public.simulator_transfers t where t.status <> 'unseen'
$$;
comment on function public.simulator_statement() is 'The simulator''s account of every transfer, to be compared with ours.';

create function public.payout_statement(p_provider text) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(jsonb_build_object('provider_key', a.provider_key, 'amount_cents', a.amount_cents,
    'currency', a.currency, 'payout_id', a.payout_id, 'state', case
      when a.status = 'failed' then 'not paid' when a.status <> 'succeeded' then 'open'
      when p.status = 'returned' then 'returned' else 'paid' end) order by a.id), '[]')
  from public.payout_attempts a join public.payouts p on p.id = a.payout_id
  where a.provider = p_provider
$$;
comment on function public.payout_statement(text) is 'Our account of every transfer with a provider.';

create function public.payouts_to_send(p_most integer default 1000) returns jsonb
language sql stable security definer set search_path = '' as $$
  select coalesce(jsonb_agg(s.id order by s.id), '[]') from (
    select p.id from public.payouts p
    where p.status = 'pending' or (p.status = 'in_transit' and not exists (
      select from public.payout_attempts a where a.payout_id = p.id and a.status in ('accepted', 'succeeded')))
    order by p.id limit p_most
  ) s
$$;
comment on function public.payouts_to_send(integer) is
  'Payouts that wait to be sent, or whose sending got no clear answer yet.';

revoke all on function public.simulator_event(public.simulator_transfers, text, text),
  public.simulator_answer(public.simulator_transfers), public.simulator_send(text, bigint, text, bigint, text),
  public.simulator_find(text), public.simulator_news(), public.simulator_statement(), public.payout_statement(text),
  public.payouts_to_send(integer) from public, anon, authenticated, service_role;
grant execute on function public.simulator_send(text, bigint, text, bigint, text), public.simulator_find(text),
  public.simulator_news(), public.simulator_statement(), public.payout_statement(text), public.payouts_to_send(integer)
  to service_role;
