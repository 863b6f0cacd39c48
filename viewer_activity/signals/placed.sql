-- The events whose device and address are looked at: the likes, and the views within $early_us of the upload.
-- In:  counted_events. Out: placed(video_day, user_id, is_like, ts_us, device, address), the last two hashed, a
--      null stays a null. Only compared inside one video and day: two of n different names fall together with a
--      probability of n * n / 2^65, for a million likes a day on one video 1 in 36 million. Whoever makes two
--      names fall together on purpose has what sending the same name twice would have given.
create or replace temp table placed as
select
    video_day,
    user_id,
    event_type = 'like' as is_like,
    ts_us,
    case when device_id is not null then hash(device_id) end as device,
    case when ip_hash is not null then hash(ip_hash) end as address
from counted_events
where event_type in ('like', 'view')
    and (event_type = 'like' or since_upload_us between 0 and $early_us - 1);
