-- The likes with their times and places.
-- In:  counted_events. Out: liked(video_day, user_id, ts_us, device_id, ip_hash).
create or replace temp table liked as
select video_day, user_id, ts_us, device_id, ip_hash
from counted_events
where event_type = 'like';
