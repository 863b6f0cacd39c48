-- The events whose device and address are looked at: the likes, and the views within $early_us of the upload.
-- In:  counted_events. Out: placed(video_day, user_id, is_like, ts_us, device_id, ip_hash).
create or replace temp table placed as
select video_day, user_id, event_type = 'like' as is_like, ts_us, device_id, ip_hash
from counted_events
where event_type in ('like', 'view')
    and (event_type = 'like' or since_upload_us between 0 and $early_us - 1);
