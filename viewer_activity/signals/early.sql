-- The rush of the first two hours after the upload, as far as it falls on the day that is scored.
-- In:  window_events, counted_events.
-- Out: early(video_day, early_views, early_devices, early_addresses), for those videos alone that have $early_views
--      views within $early_us of the upload: the names of devices are read for these and no others.
create or replace temp table early as
with rushed as (
    select video_day
    from window_events
    where kind = 'view' and is_early
    group by video_day
    having count(*) >= $early_views
)
select
    video_day,
    count(*) as early_views,
    count(distinct device_id) as early_devices,
    count(distinct ip_hash) as early_addresses
from counted_events
semi join rushed using (video_day)
where event_type = 'view' and since_upload_us between 0 and $early_us - 1
group by video_day;
