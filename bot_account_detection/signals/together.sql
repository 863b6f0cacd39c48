-- Accounts that come to the same videos from one device, or within the same hour from one address: a shared device is
-- a family, a shared address a campus or a phone company, and neither says anything alone.
-- In:  acts, visits. Out: one row an account: videos on which it was one of several, their share of all its
--      videos (also weighed so that a hot video counts little; the larger one), and the mean number of accounts that were there.
-- At an address the same video must gather far more of the people who are there than it gathers of everybody: else
-- a phone company's customers would stand together at every hit.
with at_address as (
    select distinct user_id, video_id, ip_hash as place, ts_us // $together_block_us as block
    from acts
    where ip_hash is not null
),
there as (
    select place, block, count(distinct user_id) as accounts from at_address group by place, block
),
hits as (
    select block, video_id, count(distinct user_id) as accounts from at_address group by block, video_id
),
hours as (
    select block, count(distinct user_id) as accounts from at_address group by block
),
gathered as (
    select place, video_id, block, count(*) as accounts
    from at_address
    group by place, video_id, block
    having count(*) >= $together_accounts
),
unusual as (
    select place, video_id, block, gathered.accounts
    from gathered
    join there using (place, block)
    join hits using (block, video_id)
    join hours using (block)
    where gathered.accounts >= $together_times_usual * there.accounts::double * hits.accounts / hours.accounts
        or there.accounts = gathered.accounts
),
on_device as (
    select distinct user_id, video_id, device_id as place from acts where device_id is not null
),
shared as (
    select place, video_id, count(*) as accounts
    from on_device
    group by place, video_id
    having count(*) > $device_viewers
),
meetings as (
    select user_id, video_id, accounts from at_address join unusual using (place, video_id, block)
    union all
    select user_id, video_id, accounts from on_device join shared using (place, video_id)
),
popular as (
    select video_id, round(1e9 / count(*))::bigint as rarity from visits group by video_id
),
together as (
    select user_id, count(*) as together, sum(rarity)::bigint as rarity, sum(accounts)::bigint as accounts
    from (select user_id, video_id, max(accounts) as accounts from meetings group by user_id, video_id)
    join popular using (video_id)
    group by user_id
),
life as (
    select user_id, count(*) as videos, sum(rarity)::bigint as rarity
    from visits
    join popular using (video_id)
    group by user_id
)
select user_id, together, greatest(together.rarity::double / life.rarity, together::double / videos) as share, accounts::double / together as accounts
from together
join life using (user_id)
order by user_id;
