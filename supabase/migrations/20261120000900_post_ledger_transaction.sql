-- Why: the one function that writes the ledger, set-based, for two entries or for hundreds of thousands.
--
-- Raises 22Z01 the key was used for another request, 22Z09 the entries do not sum to zero, 22Z11 an account would be
-- overdrawn, 22Z12 a malformed request, 22Z13 the reversal does not mirror its original or comes twice.

-- Most postings move a few amounts between accounts that are there. They take this way: looked up by index, locked in id
-- order, computed, written. Null means that the posting is none of those (a replay, a new account, a request that has to
-- be refused) and that nothing was written: the general way below decides what it is.
create function public.post_small_transaction(
  p_idempotency_key text, p_kind text, p_entries jsonb, p_event_at timestamptz, p_memo text, p_currency text,
  p_hash text
) returns bigint
language plpgsql set search_path = '' as $$
declare
  v_count integer := jsonb_array_length(p_entries);
  v_entry jsonb;
  v_id bigint;
  v_sum bigint := 0;
  v_at integer;
  v_overdrawn integer;
  -- by entry
  v_ids bigint[] := '{}';
  v_amounts bigint[] := '{}';
  v_entry_versions bigint[] := '{}';
  v_entry_balances bigint[] := '{}';
  -- by account
  v_locked bigint[];
  v_balances bigint[];
  v_versions bigint[];
  v_negative boolean[];
begin
  for i in 0 .. v_count - 1 loop
    v_entry := p_entries -> i;
    if jsonb_typeof(v_entry) is distinct from 'object' or jsonb_typeof(v_entry -> 'kind') is distinct from 'string'
      or jsonb_typeof(v_entry -> 'amount_cents') is distinct from 'number'
      or v_entry ->> 'amount_cents' !~ '^-?[1-9][0-9]{0,14}$'
      or coalesce(v_entry ->> 'user_id', '0') !~ '^[0-9]{1,18}$' then
      return null;
    end if;
    select a.id into v_id from public.ledger_accounts a
    where a.kind = v_entry ->> 'kind' and coalesce(a.user_id, -1) = coalesce((v_entry ->> 'user_id')::bigint, -1)
      and a.currency = p_currency;
    if not found then
      return null;
    end if;
    v_ids := v_ids || v_id;
    v_amounts := v_amounts || (v_entry ->> 'amount_cents')::bigint;
    v_sum := v_sum + (v_entry ->> 'amount_cents')::bigint;
  end loop;
  if v_count < 2 or v_sum <> 0 or p_kind !~ '^[a-z][a-z_]{1,39}$' then
    return null;
  end if;

  insert into public.ledger_transactions (idempotency_key, kind, request_hash, currency, event_at, memo)
  values (p_idempotency_key, p_kind, p_hash, p_currency, p_event_at, p_memo)
  on conflict on constraint one_transaction_per_idempotency_key do nothing
  returning id into v_id;
  if not found then
    return null;
  end if;

  -- Locked in id order, and read once they are locked.
  select array_agg(l.id), array_agg(l.balance_cents), array_agg(l.version), array_agg(l.allow_negative)
  into v_locked, v_balances, v_versions, v_negative
  from (
    select a.id, a.balance_cents, a.version, a.allow_negative from public.ledger_accounts a
    where a.id = any(v_ids) order by a.id for update
  ) l;
  for i in 1 .. v_count loop
    v_at := array_position(v_locked, v_ids[i]);
    v_balances[v_at] := v_balances[v_at] + v_amounts[i];
    v_versions[v_at] := v_versions[v_at] + 1;
    v_entry_balances := v_entry_balances || v_balances[v_at];
    v_entry_versions := v_entry_versions || v_versions[v_at];
    if v_balances[v_at] < 0 and not v_negative[v_at] then
      v_overdrawn := least(v_overdrawn, i);
    end if;
  end loop;
  if v_overdrawn is not null then
    perform public.refuse_overdraft(jsonb_build_object('account_id', a.id, 'kind', a.kind, 'user_id', a.user_id,
      'balance_cents', a.balance_cents, 'balance_after_cents', v_entry_balances[v_overdrawn]))
    from public.ledger_accounts a where a.id = v_ids[v_overdrawn];
  end if;

  insert into public.ledger_entries (transaction_id, account_id, amount_cents, account_version, balance_after_cents)
  select v_id, u.* from unnest(v_ids, v_amounts, v_entry_versions, v_entry_balances) u;
  -- Not joined with the arrays: the planner would expect many and read every account.
  update public.ledger_accounts a
  set balance_cents = v_balances[array_position(v_locked, a.id)], version = v_versions[array_position(v_locked, a.id)]
  where a.id = any(v_locked);
  return v_id;
end
$$;
comment on function public.post_small_transaction(text, text, jsonb, timestamptz, text, text, text) is
  'The short way of a posting between accounts that are there; null: nothing was written, take the general way.';

create function public.refuse_overdraft(p_account jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception 'the account % of user % holds % cents and would go to %', p_account ->> 'kind',
    coalesce(p_account ->> 'user_id', 'none'), p_account ->> 'balance_cents', p_account ->> 'balance_after_cents'
    using errcode = '22Z11', detail = p_account::text;
end
$$;
comment on function public.refuse_overdraft(jsonb) is 'Raises 22Z11 for an account that would fall below zero.';

create function public.post_ledger_transaction(
  p_idempotency_key text,
  p_kind text,
  p_entries jsonb,
  p_event_at timestamptz,
  p_memo text default null,
  p_currency text default 'USD',
  p_reverses bigint default null,
  p_revenue_window_id bigint default null
) returns jsonb
language plpgsql security definer set search_path = '' set work_mem = '64MB' as $$
declare
  v_hash text;
  v_id bigint;
  v_transaction public.ledger_transactions;
  v_entries bigint;
  v_sum numeric;
  v_bad jsonb;
  v_constraint text;
begin
  if coalesce(length(p_idempotency_key), 0) not between 1 and 200 or p_kind is null
    or not coalesce(isfinite(p_event_at), false)
    or coalesce(p_currency, '') !~ '^[A-Z]{3}$' or jsonb_typeof(p_entries) is distinct from 'array' then
    raise exception 'a posting needs a key of at most 200 letters, a kind, a time, a currency and a list of entries'
      using errcode = '22Z12', detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  end if;
  v_hash := encode(sha256(convert_to(jsonb_build_object(
    'kind', p_kind, 'entries', p_entries, 'event_at', extract(epoch from p_event_at), 'memo', p_memo,
    'currency', p_currency, 'reverses', p_reverses, 'revenue_window_id', p_revenue_window_id)::text, 'utf8')), 'hex');

  if jsonb_array_length(p_entries) <= 8 and p_reverses is null and p_revenue_window_id is null then
    v_id := public.post_small_transaction(p_idempotency_key, p_kind, p_entries, p_event_at, p_memo, p_currency, v_hash);
    if v_id is not null then
      return jsonb_build_object('transaction_id', v_id, 'replayed', false);
    end if;
  end if;

  -- The general way; its errors are told in words.
  begin
    select e into v_bad from jsonb_array_elements(p_entries) e
    where jsonb_typeof(e) is distinct from 'object'
      or jsonb_typeof(e -> 'kind') is distinct from 'string'
      or jsonb_typeof(e -> 'amount_cents') is distinct from 'number'
      or e ->> 'amount_cents' !~ '^-?[1-9][0-9]{0,17}$'
      or coalesce(e ->> 'user_id', '0') !~ '^[0-9]{1,18}$'
    limit 1;
    if found then
      raise exception 'an entry needs a kind, a user_id or none, and whole cents other than 0: %', v_bad
        using errcode = '22Z12', detail = jsonb_build_object('entry', v_bad)::text;
    end if;

    -- The unique key decides, not a look beforehand: a second caller waits here for the first one's commit.
    insert into public.ledger_transactions
      (idempotency_key, kind, request_hash, currency, event_at, reverses, memo, revenue_window_id)
    values (p_idempotency_key, p_kind, v_hash, p_currency, p_event_at, p_reverses, p_memo, p_revenue_window_id)
    on conflict on constraint one_transaction_per_idempotency_key do nothing
    returning * into v_transaction;
    if not found then
      select * into strict v_transaction from public.ledger_transactions t where t.idempotency_key = p_idempotency_key;
      if v_transaction.request_hash is distinct from v_hash then
        raise exception 'the key % was already used for another posting', p_idempotency_key
          using errcode = '22Z01', detail = jsonb_build_object(
            'idempotency_key', p_idempotency_key, 'ledger_transaction_id', v_transaction.id)::text;
      end if;
      return jsonb_build_object('transaction_id', v_transaction.id, 'replayed', true);
    end if;

    select count(*), sum((e ->> 'amount_cents')::numeric) into v_entries, v_sum from jsonb_array_elements(p_entries) e;
    if v_entries < 2 or v_sum <> 0 then
      raise exception 'entries must be two or more and sum to 0 cents, not % with % cents', v_entries, v_sum
        using errcode = '22Z09', detail = jsonb_build_object('entries', v_entries, 'sum_cents', v_sum)::text;
    end if;

    -- Accounts come to life in one order everywhere, and are locked in id order before a balance is read.
    insert into public.ledger_accounts (kind, user_id, currency)
    select distinct e.kind, e.user_id, p_currency
    from jsonb_to_recordset(p_entries) as e(kind text, user_id bigint)
    where not exists (
      select from public.ledger_accounts a
      where a.kind = e.kind and coalesce(a.user_id, -1) = coalesce(e.user_id, -1) and a.currency = p_currency)
    order by e.kind, e.user_id
    on conflict (kind, coalesce(user_id, -1), currency) do nothing;
    perform a.id from public.ledger_accounts a
    where a.currency = p_currency and (a.kind, coalesce(a.user_id, -1)) in (
      select e.kind, coalesce(e.user_id, -1) from jsonb_to_recordset(p_entries) as e(kind text, user_id bigint))
    order by a.id for update;

    -- Entries on one account count in the order of the request.
    with requested as (
      select r.e ->> 'kind' as kind, (r.e ->> 'user_id')::bigint as user_id,
        (r.e ->> 'amount_cents')::bigint as amount_cents, r.ord
      from jsonb_array_elements(p_entries) with ordinality r(e, ord)
    )
    insert into public.ledger_entries (transaction_id, account_id, amount_cents, account_version, balance_after_cents)
    select v_transaction.id, a.id, q.amount_cents,
      a.version + row_number() over (partition by a.id order by q.ord),
      a.balance_cents + sum(q.amount_cents) over (partition by a.id order by q.ord)
    from requested q
    join public.ledger_accounts a
      on a.kind = q.kind and coalesce(a.user_id, -1) = coalesce(q.user_id, -1) and a.currency = p_currency
    order by q.ord;

    select jsonb_build_object('account_id', a.id, 'kind', a.kind, 'user_id', a.user_id,
      'balance_cents', a.balance_cents, 'balance_after_cents', e.balance_after_cents) into v_bad
    from public.ledger_entries e join public.ledger_accounts a on a.id = e.account_id
    where e.transaction_id = v_transaction.id and e.balance_after_cents < 0 and not a.allow_negative
    order by e.id limit 1;
    if found then
      perform public.refuse_overdraft(v_bad);
    end if;

    update public.ledger_accounts a
    set balance_cents = last.balance_after_cents, version = last.account_version
    from (
      select distinct on (e.account_id) e.account_id, e.account_version, e.balance_after_cents
      from public.ledger_entries e where e.transaction_id = v_transaction.id
      order by e.account_id, e.account_version desc
    ) last
    where last.account_id = a.id;

    if p_reverses is not null then
      perform public.check_reversal(p_reverses, v_transaction.id);
    end if;
    return jsonb_build_object('transaction_id', v_transaction.id, 'replayed', false);
  exception
    when unique_violation then
      get stacked diagnostics v_constraint = constraint_name;
      if v_constraint = 'one_reversal_per_transaction' then
        raise exception 'the transaction % was reversed before', p_reverses
          using errcode = '22Z13', detail = jsonb_build_object('ledger_transaction_id', p_reverses)::text;
      end if;
      raise;
    when check_violation then
      get stacked diagnostics v_constraint = constraint_name;
      raise exception 'the posting breaks the rule "%"', replace(v_constraint, '_', ' ')
        using errcode = '22Z12', detail = jsonb_build_object('rule', v_constraint)::text;
    when foreign_key_violation or numeric_value_out_of_range then
      raise exception 'the posting can not be kept: %', sqlerrm
        using errcode = '22Z12', detail = jsonb_build_object('idempotency_key', p_idempotency_key)::text;
  end;
end
$$;
comment on function public.post_ledger_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint) is
  'Posts [{kind, user_id, amount_cents}] once per key; answers {transaction_id, replayed}.';

create function public.check_reversal(p_original bigint, p_reversal bigint) returns void
language plpgsql set search_path = '' as $$
begin
  if exists (
    select from public.ledger_transactions o join public.ledger_transactions r on r.id = p_reversal
    where o.id = p_original and (o.reverses is not null or o.currency <> r.currency)
  ) or exists (
    select from (
      select e.account_id, e.amount_cents, count(*) as times from public.ledger_entries e
      where e.transaction_id = p_original group by 1, 2
    ) o full join (
      select e.account_id, -e.amount_cents as amount_cents, count(*) as times from public.ledger_entries e
      where e.transaction_id = p_reversal group by 1, 2
    ) r using (account_id, amount_cents)
    where o.times is distinct from r.times
  ) then
    raise exception 'a reversal takes back every entry of transaction % and nothing else', p_original
      using errcode = '22Z13', detail = jsonb_build_object('ledger_transaction_id', p_original)::text;
  end if;
end
$$;
comment on function public.check_reversal(bigint, bigint) is 'Raises 22Z13 unless the second transaction mirrors the first.';

revoke all on function public.post_ledger_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint),
  public.post_small_transaction(text, text, jsonb, timestamptz, text, text, text), public.refuse_overdraft(jsonb),
  public.check_reversal(bigint, bigint) from public, anon, authenticated, service_role;
grant execute on function public.post_ledger_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint)
  to service_role;
