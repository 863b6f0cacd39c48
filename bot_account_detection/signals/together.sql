-- Accounts that come to the same videos from one device, or within the same hour from one address: a shared device is
-- a family, a shared address a campus or a phone company, and neither says anything alone.
-- In:  busy_acts, gathered, there, hits, hours, crowded_acts, popular, lives.
-- Out: one row an account: videos on which it was one of several, their share of all its
--      videos (also weighed so that a hot video counts little; the larger one), and the mean number of accounts that were there.
-- At an address the same video must gather far more of the people who are there than it gathers of everybody: else
-- a phone company's customers would stand together at every hit.
with unusual as (
    select place, video_id, block, gathered.accounts
    from gathered
    join there using (place, block)
    join hits using (block, video_id)
    join hours using (block)
    where gathered.accounts >= $together_times_usual * there.accounts::double * hits.accounts / hours.accounts
        or there.accounts = gathered.accounts
),
shared as (
    select place, video_id, count(*) as accounts
    from crowded_acts
    group by place, video_id
    having count(*) > $device_viewers
),
meetings as (
    select user_id, video_id, accounts from busy_acts join unusual using (place, video_id, block)
    union all
    select user_id, video_id, accounts from crowded_acts join shared using (place, video_id)
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
