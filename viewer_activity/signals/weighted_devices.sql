-- Do the likes come from different devices? Likers by weight, against devices by the weight of their best liker.
-- In: weighted_events. Out: weighted_devices(video_day, liker_nano, device_nano).
create or replace temp table weighted_devices as
with likers as (
    select video_day, device, user_id, any_value(weight_nano) as weight_nano
    from weighted_events
    where kind = kind('like') and device is not null
    group by video_day, device, user_id
),
devices as (
    select video_day, device, sum(weight_nano) as liker_nano, max(weight_nano) as device_nano
    from likers
    group by video_day, device
)
select video_day, sum(liker_nano) as liker_nano, sum(device_nano) as device_nano from devices group by video_day;
