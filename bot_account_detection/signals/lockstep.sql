-- Pairs of accounts that came to the same three or more videos within the hour of one another.
-- In:  visits, popular, lives. Out: one row a pair: how many videos together, how alike their lists of videos are (both
--      weighed so that a hot video counts little), and how many meetings chance would explain.
-- Pairs are looked for within one video and two hours only, and there each account meets its {neighbours} next in
-- the order of a fingerprint of its videos: accounts with the same list stand side by side, and a video with a
-- million viewers costs a million rows and not a million times a million.
-- This is the definition; in process `meetings.py` finds the same pairs by sorting, ten times as fast.
with placed as (
    select user_id, video_id, first_us, first_us // $lockstep_block_us as block, fingerprint, popular.rarity
    from visits
    join lives using (user_id)
    join popular using (video_id)
    where videos >= $lockstep_videos
),
crowded as (
    select video_id, block, count(*) as accounts from placed group by video_id, block
),
chance as (
    select user_id, sum(accounts - 1)::bigint as met
    from placed
    join crowded using (video_id, block)
    group by user_id
),
lined_up as (
    select
        user_id,
        first_us,
        rarity,
        unnest(
            list({{'user_id': user_id, 'first_us': first_us}}) over (
                partition by video_id, block
                order by fingerprint, user_id
                rows between 1 following and {neighbours} following
            )
        ) as other
    from placed
),
pairs as (
    select
        least(user_id, other.user_id) as one,
        greatest(user_id, other.user_id) as two,
        count(*) as together,
        count(*) filter (where abs(first_us - other.first_us) <= $lockstep_close_us) as close_together,
        sum(rarity)::bigint as rarity
    from lined_up
    where abs(first_us - other.first_us) <= $lockstep_gap_us
    group by one, two
    having count(*) >= $lockstep_videos
)
select
    one,
    two,
    together,
    close_together,
    pairs.rarity::double / (a.rarity + b.rarity - pairs.rarity) as alike,
    greatest(a.videos * p.met, b.videos * q.met)::double / (select count(*) from placed) as by_chance
from pairs
join lives as a on a.user_id = one
join lives as b on b.user_id = two
join chance as p on p.user_id = one
join chance as q on q.user_id = two
order by one, two;
