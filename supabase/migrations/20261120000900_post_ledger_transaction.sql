-- Why: the one function that writes the ledger, for two entries or for hundreds of thousands.
--
-- Raises 22Z01 the key was used for another request, 22Z09 the entries do not sum to zero, 22Z11 an account would be
-- overdrawn, 22Z12 a malformed request, 22Z13 the reversal does not mirror its original or comes twice.

create function public.refuse_overdraft(p_account jsonb) returns void
language plpgsql set search_path = '' as $$
begin
  raise exception 'the account % of user % holds % cents and would go to %', p_account ->> 'kind',
    coalesce(p_account ->> 'user_id', 'none'), p_account ->> 'balance_cents', p_account ->> 'balance_after_cents'
    using errcode = '22Z11', detail = p_account::text;
end
$$;
comment on function public.refuse_overdraft(jsonb) is 'Raises 22Z11 for an account that would fall below zero.';

-- A retry is told from another request by what the first one wrote; nothing is kept beside it that could say otherwise.
-- Entries are compared account by account, where their order counts.
create function public.is_same_posting(
  p_written public.ledger_transactions, p_kind text, p_entries jsonb, p_event_at timestamptz, p_memo text,
  p_currency text, p_reverses bigint, p_revenue_window_id bigint
) returns boolean
language sql stable set search_path = '' as $$
  with written as (
    select a.kind::text as kind, a.user_id, e.amount_cents::bigint as amount_cents,
      row_number() over (partition by a.id order by e.account_version) as n
    from public.ledger_entries e join public.ledger_accounts a on a.id = e.account_id
    where e.transaction_id = p_written.id
  ), asked as (
    select r.kind, r.user_id, r.amount_cents, row_number() over (partition by r.kind, r.user_id order by r.ord) as n
    from (
      select r.e ->> 'kind' as kind, (r.e ->> 'user_id')::bigint as user_id,
        (r.e ->> 'amount_cents')::bigint as amount_cents, r.ord
      from jsonb_array_elements(p_entries) with ordinality r(e, ord)
    ) r
  )
  select (p_written.kind, p_written.currency, p_written.event_at, p_written.memo, p_written.reverses,
      p_written.revenue_window_id)
    is not distinct from (p_kind, p_currency, p_event_at, p_memo, p_reverses, p_revenue_window_id)
    and not exists (select * from written except select * from asked)
    and not exists (select * from asked except select * from written)
$$;
comment on function public.is_same_posting(
  public.ledger_transactions, text, jsonb, timestamptz, text, text, bigint, bigint) is
  'Whether a request asks for what was written; its entries are well-formed.';

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

-- Any posting: replays, new accounts, reversals, closes, and whatever has to be refused, in words.
create function public.post_general_transaction(
  p_idempotency_key text, p_kind text, p_entries jsonb, p_event_at timestamptz, p_memo text, p_currency text,
  p_reverses bigint, p_revenue_window_id bigint
) returns jsonb
language plpgsql set search_path = '' set work_mem = '64MB' as $$
declare
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
      (idempotency_key, kind, currency, event_at, reverses, memo, revenue_window_id)
    values (p_idempotency_key, p_kind, p_currency, p_event_at, p_reverses, p_memo, p_revenue_window_id)
    on conflict on constraint one_transaction_per_idempotency_key do nothing
    returning * into v_transaction;
    if not found then
      select * into strict v_transaction from public.ledger_transactions t where t.idempotency_key = p_idempotency_key;
      if not public.is_same_posting(v_transaction, p_kind, p_entries, p_event_at, p_memo, p_currency, p_reverses,
        p_revenue_window_id) then
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
    insert into public.ledger_accounts (kind, user_id, currency, allow_negative)
    select distinct e.kind, e.user_id, p_currency, e.kind in ('platform_revenue', 'creator_receivable')
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
    order by a.id, q.ord;

    select jsonb_build_object('account_id', a.id, 'kind', a.kind, 'user_id', a.user_id, 'balance_cents',
      e.balance_after_cents - e.amount_cents, 'balance_after_cents', e.balance_after_cents) into v_bad
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
comment on function public.post_general_transaction(
  text, text, jsonb, timestamptz, text, text, bigint, bigint) is
  'The way of any posting, set-based; see post_ledger_transaction.';

-- Most postings move a few amounts between accounts that are there. They are written here, entry by entry in the order of
-- the accounts' ids: a balance is read in the statement that locks it, so nobody waits for a lock that was taken earlier
-- than needed. What is none of those (a replay, a new account, a request that has to be refused) is left to the general way
-- before anything is written, so that every refusal is worded in one place.
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
language plpgsql security definer set search_path = '' as $$
declare
  v_id bigint;
  v_account public.ledger_accounts;
  v_balance bigint;
  v_version bigint;
  v_sum numeric;
  -- by entry, in the order of the accounts' ids
  v_accounts bigint[];
  v_cents bigint[];
begin
  if p_reverses is null and p_revenue_window_id is null
    and (case jsonb_typeof(p_entries) when 'array' then jsonb_array_length(p_entries) between 2 and 8 end)
    and length(p_idempotency_key) between 1 and 200 and isfinite(p_event_at)
    and p_kind ~ '^[a-z][a-z_]+$' and length(p_kind) <= 40 then
    -- An entry that is not of the form of most has a null here, and so has one whose account is not there.
    select array_agg(l.account_id), array_agg(l.cents), sum(l.cents) into v_accounts, v_cents, v_sum
    from (
      select e.ord, (
          select a.id from public.ledger_accounts a
          where a.kind = e.entry ->> 'kind' and a.currency = p_currency and coalesce(a.user_id, -1)
            = case coalesce(jsonb_typeof(e.entry -> 'user_id'), 'null')
                when 'number' then case when e.entry ->> 'user_id' ~ '^[0-9]+$' and length(e.entry ->> 'user_id') <= 18
                  then (e.entry ->> 'user_id')::bigint end
                when 'null' then -1
              end
        ) as account_id,
        case when jsonb_typeof(e.entry -> 'amount_cents') = 'number' and length(e.entry ->> 'amount_cents') <= 15
          and e.entry ->> 'amount_cents' ~ '^-?[1-9][0-9]*$' then (e.entry ->> 'amount_cents')::bigint end as cents
      from jsonb_array_elements(p_entries) with ordinality e(entry, ord)
      order by account_id, e.ord
    ) l;
    if v_sum = 0 and array_position(v_accounts, null) is null and array_position(v_cents, null) is null then
      -- The unique key decides, not a look beforehand: a second caller waits here for the first one's commit.
      insert into public.ledger_transactions (idempotency_key, kind, currency, event_at, memo)
      values (p_idempotency_key, p_kind, p_currency, p_event_at, p_memo)
      on conflict on constraint one_transaction_per_idempotency_key do nothing
      returning id into v_id;
    end if;
  end if;
  if v_id is null then
    return public.post_general_transaction(p_idempotency_key, p_kind, p_entries, p_event_at, p_memo, p_currency,
      p_reverses, p_revenue_window_id);
  end if;

  for i in 1 .. cardinality(v_accounts) loop
    loop
      update public.ledger_accounts a set balance_cents = a.balance_cents + v_cents[i], version = a.version + 1
      where a.id = v_accounts[i] and (a.allow_negative or a.balance_cents + v_cents[i] >= 0)
      returning a.balance_cents, a.version into v_balance, v_version;
      exit when found;
      -- Not enough, as far as the statement saw; under the lock it is certain, or the money has come in meanwhile.
      select * into strict v_account from public.ledger_accounts a where a.id = v_accounts[i] for update;
      if v_account.balance_cents + v_cents[i] < 0 then
        perform public.refuse_overdraft(jsonb_build_object('account_id', v_account.id, 'kind', v_account.kind,
          'user_id', v_account.user_id, 'balance_cents', v_account.balance_cents,
          'balance_after_cents', v_account.balance_cents + v_cents[i]));
      end if;
    end loop;
    insert into public.ledger_entries (transaction_id, account_id, amount_cents, account_version, balance_after_cents)
    values (v_id, v_accounts[i], v_cents[i], v_version, v_balance);
  end loop;
  return jsonb_build_object('transaction_id', v_id, 'replayed', false);
end
$$;
comment on function public.post_ledger_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint) is
  'Posts [{kind, user_id, amount_cents}] once per key; answers {transaction_id, replayed}.';

revoke all on function public.post_ledger_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint),
  public.post_general_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint),
  public.is_same_posting(public.ledger_transactions, text, jsonb, timestamptz, text, text, bigint, bigint),
  public.refuse_overdraft(jsonb), public.check_reversal(bigint, bigint)
  from public, anon, authenticated, service_role;
grant execute on function public.post_ledger_transaction(text, text, jsonb, timestamptz, text, text, bigint, bigint)
  to service_role;
