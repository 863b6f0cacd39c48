-- Accounts that are on the same videos within the same hour from one address: an address alone is a campus or a
-- phone company, and says nothing.
-- In:  acts. Out: one row an account: videos on which it was one of $address_accounts or more at its address,
--      all its videos, and the mean number of accounts that were there with it.
with placed as (
    select distinct user_id, video_id, ip_hash, ts_us // $address_block_us as block from acts
),
gathered as (
    select ip_hash, video_id, block, count(*) as accounts
    from placed
    where ip_hash is not null
    group by ip_hash, video_id, block
    having count(*) >= $address_accounts
),
together as (
    select user_id, count(distinct video_id) as together, sum(accounts)::double / count(*) as accounts
    from placed
    join gathered using (ip_hash, video_id, block)
    group by user_id
),
all_videos as (
    select user_id, count(*) as videos from visits group by user_id
)
select user_id, together, videos, accounts
from together
join all_videos using (user_id)
order by user_id;
