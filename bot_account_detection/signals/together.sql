-- Accounts that come to the same videos from one device, or within the same hour from one address: a shared device is
-- a family, a shared address a campus or a phone company, and neither says anything alone.
-- In:  acts, used_devices, popular, lives, busy_acts(place, video_id, block, user_id): those at spots with enough acts
--      to matter; any others may be among them.
-- Out: one row an account: videos on which it was one of several, their share of all its
--      videos (also weighed so that a hot video counts little; the larger one), and the mean number of accounts that were there.
-- At an address the same video must gather far more of the people who are there than it gathers of everybody: else
-- a phone company's customers would stand together at every hit.
with at_spot as (
    select distinct place, video_id, block, user_id from busy_acts
),
gathered as (
    select place, video_id, block, count(*) as accounts
    from at_spot
    group by place, video_id, block
    having count(*) >= $together_accounts
),
there as (
    select ip_hash as place, ts_us // $together_block_us as block, count(distinct user_id) as accounts
    from acts
    where (ip_hash, ts_us // $together_block_us) in (select (place, block) from gathered)
    group by place, block
),
hits as (
    select ts_us // $together_block_us as block, video_id, count(distinct user_id) as accounts
    from acts
    where ip_hash is not null
        and (ts_us // $together_block_us, video_id) in (select (block, video_id) from gathered)
    group by block, video_id
),
hours as (
    select ts_us // $together_block_us as block, count(distinct user_id) as accounts
    from acts
    where ip_hash is not null and ts_us // $together_block_us in (select block from gathered)
    group by block
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
crowded as (
    select device_id from used_devices where device_id is not null group by device_id having count(*) > $device_viewers
),
on_device as (
    select distinct user_id, video_id, device_id as place
    from acts
    where device_id in (select device_id from crowded)
),
shared as (
    select place, video_id, count(*) as accounts
    from on_device
    group by place, video_id
    having count(*) > $device_viewers
),
meetings as (
    select user_id, video_id, accounts from at_spot join unusual using (place, video_id, block)
    union all
    select user_id, video_id, accounts from on_device join shared using (place, video_id)
),
gathering as (
    select user_id, count(*) as together, sum(rarity)::bigint as rarity, sum(accounts)::bigint as accounts
    from (select user_id, video_id, max(accounts) as accounts from meetings group by user_id, video_id)
    join popular using (video_id)
    group by user_id
)
select
    user_id,
    together,
    greatest(gathering.rarity::double / lives.rarity, together::double / videos) as share,
    accounts::double / together as accounts
from gathering
join lives using (user_id)
order by user_id;
