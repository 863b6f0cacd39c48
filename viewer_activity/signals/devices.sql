-- On how many devices the likes were given, and by how many people on each.
-- In:  window_events. Out: (video_day, device_pairs, devices): distinct (liker, device) and distinct devices;
--      pairs / devices = mean number of likers per device.
select video_day, sum(likers)::bigint as device_pairs, count(*) as devices
from (
    select video_day, device, count(distinct user_id) as likers
    from window_events
    where kind = kind('like') and device is not null
    group by video_day, device
)
group by video_day;
