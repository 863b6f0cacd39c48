-- Do the likes come from different people at a human pace?
-- In:  window_events.
-- Out: liking(day, video_id, device_pairs, devices, address_pairs, addresses, gaps, gap_spread, gap_sum).
--      *_pairs: distinct (liker, device or address); pairs / devices = mean number of likers per device.
--      gaps: positive times between consecutive likes, in microseconds; sums are exact integers.
create or replace temp table liking as
with liked as (
    select day, video_id, user_id, ts_us, device_id, ip_hash
    from window_events
    where kind = 'like'
),
per_device as (
    select day, video_id, count(distinct user_id) as likers
    from liked
    where device_id is not null
    group by day, video_id, device_id
),
device as (
    select day, video_id, sum(likers)::bigint as device_pairs, count(*) as devices
    from per_device
    group by day, video_id
),
per_address as (
    select day, video_id, count(distinct user_id) as likers
    from liked
    where ip_hash is not null
    group by day, video_id, ip_hash
),
address as (
    select day, video_id, sum(likers)::bigint as address_pairs, count(*) as addresses
    from per_address
    group by day, video_id
),
paced as (
    select day, video_id, ts_us - lag(ts_us) over (partition by day, video_id order by ts_us) as gap
    from liked
),
pace as (
    select
        day,
        video_id,
        count(*) as gaps,
        sum(gap::hugeint) as gap_sum,
        sum(gap::hugeint * gap) as gap_squares
    from paced
    where gap > 0
    group by day, video_id
)
select
    day,
    video_id,
    device_pairs,
    devices,
    address_pairs,
    addresses,
    gaps,
    -- n * sum of squares - square of the sum: the sample variance times n (n - 1), without any rounding.
    (gaps * gap_squares - gap_sum * gap_sum)::double as gap_spread,
    gap_sum::double as gap_sum
from (select distinct day, video_id from liked)
left join device using (day, video_id)
left join address using (day, video_id)
left join pace using (day, video_id);
