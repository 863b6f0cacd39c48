-- Do the likes come from different people at a human pace?
-- In:  placed.
-- Out: liking(video_day, device_pairs, devices, address_pairs, addresses, gaps, gap_spread, gap_sum).
--      *_pairs: distinct (liker, device or address); pairs / devices = mean number of likers per device.
--      gaps: positive times between consecutive likes, in microseconds.
create or replace temp table liking as
with liked as not materialized (
    select video_day, user_id, ts_us, device_id, ip_hash from placed where is_like
),
device as (
    select video_day, sum(likers)::bigint as device_pairs, count(*) as devices
    from (
        select video_day, device_id, count(distinct user_id) as likers
        from liked
        where device_id is not null
        group by video_day, device_id
    )
    group by video_day
),
address as (
    select video_day, sum(likers)::bigint as address_pairs, count(*) as addresses
    from (
        select video_day, ip_hash, count(distinct user_id) as likers
        from liked
        where ip_hash is not null
        group by video_day, ip_hash
    )
    group by video_day
),
pace as (
    select
        video_day,
        count(*) as gaps,
        sum(gap::hugeint) as gap_sum,
        sum(gap::hugeint * gap) as gap_squares
    from (select video_day, ts_us - lag(ts_us) over (partition by video_day order by ts_us) as gap from liked)
    where gap > 0
    group by video_day
)
select
    video_day,
    device_pairs,
    devices,
    address_pairs,
    addresses,
    gaps,
    -- n * sum of squares - square of the sum = sample variance * n (n - 1), in whole numbers: no rounding.
    (gaps * gap_squares - gap_sum * gap_sum)::double as gap_spread,
    gap_sum::double as gap_sum
from (select distinct video_day from liked)
left join device using (video_day)
left join address using (video_day)
left join pace using (video_day);
