-- The invariants of the books. Each query gives the rows that break it: none when all is well. A query begins with a line
-- "-- name: CODE sentence" and ends with a semicolon.

-- name: I01 the entries of a transaction sum to 0, in the currency of their accounts
select t.id as transaction_id, a.currency, sum(e.amount_cents) as sum_cents
from public.ledger_transactions t
join public.ledger_entries e on e.transaction_id = t.id
join public.ledger_accounts a on a.id = e.account_id
group by t.id, a.currency
having sum(e.amount_cents) <> 0 or a.currency <> t.currency;

-- name: I02 all balances of a currency sum to 0
select a.currency, sum(a.balance_cents) as sum_cents
from public.ledger_accounts a
group by a.currency
having sum(a.balance_cents) <> 0;

-- name: I03 a stored balance is the sum of its entries, and the version is their number
select a.id as account_id, a.balance_cents, coalesce(sum(e.amount_cents), 0) as entries_cents,
  a.version, count(e.id) as entries
from public.ledger_accounts a
left join public.ledger_entries e on e.account_id = a.id
group by a.id
having a.balance_cents <> coalesce(sum(e.amount_cents), 0) or a.version <> count(e.id);

-- name: I04 an account that must not go below 0 is not below 0, and never was
select a.id as account_id, a.kind, a.user_id, least(a.balance_cents, min(e.balance_after_cents)) as lowest_cents
from public.ledger_accounts a
left join public.ledger_entries e on e.account_id = a.id
where a.kind not in ('platform_revenue', 'creator_receivable')
group by a.id
having least(a.balance_cents, min(e.balance_after_cents)) < 0;

-- name: I05 versions of an account have no gap, and each balance is the one before plus the amount
select s.entry_id, s.account_id, s.account_version, s.balance_before_cents, s.amount_cents, s.balance_after_cents
from (
  select e.id as entry_id, e.account_id, e.account_version, e.amount_cents, e.balance_after_cents,
    lag(e.account_version, 1, 0::bigint) over w as version_before,
    lag(e.balance_after_cents, 1, 0::bigint) over w as balance_before_cents
  from public.ledger_entries e
  window w as (partition by e.account_id order by e.account_version)
) s
where s.account_version <> s.version_before + 1
  or s.balance_after_cents <> s.balance_before_cents + s.amount_cents;

-- name: I06 no entry is 0, and no transaction has fewer than two
select t.id as transaction_id, count(e.id) as entries, count(*) filter (where e.amount_cents = 0) as zero_entries
from public.ledger_transactions t
left join public.ledger_entries e on e.transaction_id = t.id
group by t.id
having count(e.id) < 2 or count(*) filter (where e.amount_cents = 0) > 0;

-- name: I07 an idempotency key stands for one transaction, and for one window
select 'ledger_transactions' as kept_in, t.idempotency_key, count(*) as times
from public.ledger_transactions t
group by t.idempotency_key
having count(*) > 1
union all
select 'revenue_windows', w.idempotency_key, count(*)
from public.revenue_windows w
group by w.idempotency_key
having count(*) > 1;

-- name: I08 a reversal takes back each entry of its original, and no original is reversed twice
select r.id as transaction_id, r.reverses, 'entries differ' as problem
from public.ledger_transactions r
where r.reverses is not null and exists (
  select from (
    select e.account_id, sum(e.amount_cents) as cents from public.ledger_entries e
    where e.transaction_id in (r.id, r.reverses)
    group by e.account_id
  ) s where s.cents <> 0)
union all
select min(r.id), r.reverses, 'reversed twice'
from public.ledger_transactions r
where r.reverses is not null
group by r.reverses
having count(*) > 1;

-- name: I09 the allocations of a window and its residual are its pool
select w.id as revenue_window_id, w.pool_cents, w.residual_cents, coalesce(sum(a.capped_cents), 0) as allocated_cents
from public.revenue_windows w
left join public.window_allocations a on a.revenue_window_id = w.id
group by w.id
having coalesce(sum(a.capped_cents), 0) + w.residual_cents <> w.pool_cents
  or coalesce(sum(a.capped_cents), 0) <> w.allocated_cents;

-- name: I10 an allocation is from 0 to its cap, once per creator and window, and the creator's videos earned it
select coalesce(a.revenue_window_id, s.revenue_window_id) as revenue_window_id,
  coalesce(a.creator_id, s.creator_id) as creator_id, a.times, a.capped_cents, a.cap_cents, s.videos_cents
from (
  select a.revenue_window_id, a.creator_id, count(*) as times, sum(a.capped_cents) as capped_cents,
    min(a.cap_cents) as cap_cents
  from public.window_allocations a
  group by a.revenue_window_id, a.creator_id
) a
full join (
  select s.revenue_window_id, s.creator_id, sum(s.allocated_cents) as videos_cents
  from public.video_rev_shares s
  group by s.revenue_window_id, s.creator_id
) s using (revenue_window_id, creator_id)
where a.times > 1 or a.capped_cents < 0 or a.capped_cents > a.cap_cents
  or coalesce(a.capped_cents, 0) <> coalesce(s.videos_cents, 0);

-- name: I11 what the ledger gave each creator at the close is the allocation less its fee
select revenue_window_id, creator_id, l.posted_cents, a.expected_cents
from (
  select a.revenue_window_id, a.creator_id, a.capped_cents - a.platform_fee_cents as expected_cents
  from public.window_allocations a
) a
full join (
  select t.revenue_window_id, k.user_id as creator_id, sum(e.amount_cents) as posted_cents
  from public.ledger_transactions t
  join public.ledger_entries e on e.transaction_id = t.id
  join public.ledger_accounts k on k.id = e.account_id and k.user_id is not null
  where t.kind = 'window_close'
  group by t.revenue_window_id, k.user_id
) l using (revenue_window_id, creator_id)
where coalesce(l.posted_cents, 0) <> coalesce(a.expected_cents, 0);

-- name: I12 each window with a pool has one close in the ledger, and closed windows of a kind do not overlap
select w.id as revenue_window_id, count(t.id) as closes, null::bigint as overlaps
from public.revenue_windows w
left join public.ledger_transactions t on t.revenue_window_id = w.id and t.kind = 'window_close'
group by w.id
having count(t.id) <> (w.pool_cents > 0)::int or max(t.id) is distinct from w.ledger_transaction_id
union all
select w.id, null, o.id
from public.revenue_windows w
join public.revenue_windows o on o.kind = w.kind and o.id > w.id and o.status = 'closed'
  and o.window_start < w.window_end and w.window_start < o.window_end
where w.status = 'closed';

-- name: I13 no reserve was released before its time or twice, and each reserve is the one of its allocation
select r.id as reserve_id, r.creator_id, r.available_at, r.released_at, r.amount_cents, a.reserve_cents
from public.reserves r
full join (
  select * from public.window_allocations where reserve_cents > 0
) a on a.revenue_window_id = r.revenue_window_id and a.creator_id = r.creator_id
where r.released_at < r.available_at or r.amount_cents is distinct from a.reserve_cents
union all
select r.id, coalesce(r.creator_id, l.user_id), r.available_at, r.released_at, r.amount_cents, -l.amount_cents
from (select * from public.reserves where released_at is not null or release_transaction_id is not null) r
full join (
  select t.id, e.amount_cents, k.user_id
  from public.ledger_transactions t
  join public.ledger_entries e on e.transaction_id = t.id
  join public.ledger_accounts k on k.id = e.account_id and k.kind = 'creator_reserve'
  where t.kind = 'reserve_release'
) l on l.id = r.release_transaction_id and l.user_id = r.creator_id
where r.released_at is null or r.amount_cents is distinct from -l.amount_cents;

-- name: I14 open reserves are what the reserve accounts hold
select user_id, currency, o.open_cents, k.balance_cents
from (
  select r.creator_id as user_id, w.currency, sum(r.amount_cents) as open_cents
  from public.reserves r
  join public.revenue_windows w on w.id = r.revenue_window_id
  where r.released_at is null and w.status = 'closed'
  group by r.creator_id, w.currency
) o
full join (
  select a.user_id, a.currency, a.balance_cents from public.ledger_accounts a where a.kind = 'creator_reserve'
) k using (user_id, currency)
where coalesce(o.open_cents, 0) <> coalesce(k.balance_cents, 0);

-- name: I15 a payout's state agrees with its ledger entries, and it is settled or voided, not both
select p.id as payout_id, p.status, array_agg(o.purpose order by o.purpose) as postings, null::text as wrong_posting
from public.payouts p
left join public.payout_postings o on o.payout_id = p.id
group by p.id
having array_agg(o.purpose order by o.purpose) is distinct from case
  when p.status in ('held', 'pending', 'in_transit') then '{request}'::text[]
  when p.status in ('canceled', 'failed') then '{request,void}'
  when p.status = 'paid' then '{request,settle}'
  when p.status = 'returned' then '{request,return,settle}' end
union all
select m.id, m.status, null, m.purpose
from (
  select p.id, p.status, p.amount_cents, p.amount_cents + p.fee_cents as all_cents, p.fee_cents, o.purpose,
    coalesce(sum(e.amount_cents) filter (where k.kind = 'creator_payout_pending' and k.user_id = p.creator_id), 0) as pending,
    coalesce(sum(e.amount_cents) filter (where k.kind in ('creator_available', 'creator_receivable')
      and k.user_id = p.creator_id), 0) as creator,
    coalesce(sum(e.amount_cents) filter (where k.kind = 'payouts_paid'), 0) as paid,
    coalesce(sum(e.amount_cents) filter (where k.kind = 'platform_fee'), 0) as fee
  from public.payouts p
  join public.payout_postings o on o.payout_id = p.id
  join public.ledger_entries e on e.transaction_id = o.ledger_transaction_id
  join public.ledger_accounts k on k.id = e.account_id and k.currency = p.currency
  group by p.id, o.purpose
) m
where array[m.pending, m.creator, m.paid, m.fee]::bigint[] is distinct from case m.purpose
  when 'request' then array[m.all_cents, -m.all_cents, 0, 0]::bigint[]
  when 'void' then array[-m.all_cents, m.all_cents, 0, 0]::bigint[]
  when 'settle' then array[-m.all_cents, 0, m.amount_cents, m.fee_cents]::bigint[]
  when 'return' then array[0, m.amount_cents, -m.amount_cents, 0]::bigint[] end;

-- name: I16 a payout's key is its creator's once
select p.creator_id, p.idempotency_key, count(*) as times
from public.payouts p
group by p.creator_id, p.idempotency_key
having count(*) > 1;

-- name: I17 a ledger transaction serves one payout, and none moves payouts' money without one
select t.id as ledger_transaction_id, t.kind, count(o.payout_id) as payouts
from public.ledger_transactions t
left join public.payout_postings o on o.ledger_transaction_id = t.id
group by t.id
having count(o.payout_id) > 1 or (count(o.payout_id) = 0) <> (
  t.kind not in ('payout_request', 'payout_void', 'payout_settle', 'payout_return'));

-- name: I18 open payouts are what the payout-pending accounts hold
select user_id, currency, o.open_cents, k.balance_cents
from (
  select p.creator_id as user_id, p.currency, sum(p.amount_cents + p.fee_cents) as open_cents
  from public.payouts p
  where p.status in ('requested', 'held', 'pending', 'in_transit')
  group by p.creator_id, p.currency
) o
full join (
  select a.user_id, a.currency, a.balance_cents from public.ledger_accounts a where a.kind = 'creator_payout_pending'
) k using (user_id, currency)
where coalesce(o.open_cents, 0) <> coalesce(k.balance_cents, 0);

-- name: I19 the KYC level at the request was high enough
select p.id as payout_id, p.creator_id, p.kyc_level, p.amount_cents
from public.payouts p
where not exists (
  select from public.payout_limits() l
  where l.kyc_level = p.kyc_level and (l.most_cents is null or p.amount_cents <= l.most_cents));

-- name: I20 payouts took legal steps alone, each from where the one before had led
select s.id as payout_event_id, s.payout_id, s.came_from, s.from_status, s.to_status
from (
  select e.*, lag(e.to_status, 1, 'none') over (partition by e.payout_id order by e.id) as came_from
  from public.payout_events e
) s
left join public.payout_transitions t on t.from_status = s.from_status and t.to_status = s.to_status
where t.from_status is null or s.came_from <> s.from_status;

-- name: I21 a payout that was paid has one successful attempt, others none, amounts agree, provider keys are unique
select p.id as payout_id, p.status, count(a.id) filter (where a.status = 'succeeded') as succeeded,
  count(a.id) filter (where a.amount_cents <> p.amount_cents or a.currency <> p.currency) as other_amounts,
  null::text as provider_key
from public.payouts p
left join public.payout_attempts a on a.payout_id = p.id
group by p.id
having count(a.id) filter (where a.status = 'succeeded') <> (p.status in ('paid', 'returned'))::int
  or count(a.id) filter (where a.amount_cents <> p.amount_cents or a.currency <> p.currency) > 0
union all
select min(a.payout_id), null, count(*), null, a.provider_key
from public.payout_attempts a
group by a.provider_key
having count(*) > 1;

-- name: I22 a payout's state is the one of its last event
select p.id as payout_id, p.status, e.to_status as last_event
from public.payouts p
left join lateral (
  select v.to_status from public.payout_events v where v.payout_id = p.id order by v.id desc limit 1
) e on true
where e.to_status is distinct from p.status;
