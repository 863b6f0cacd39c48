-- The rush of the first two hours after the upload, as far as it falls on the day that is scored.
-- In:  window_events. Out: early(day, video_id, early_views, early_devices, early_addresses).
create or replace temp table early as
select
    day,
    video_id,
    count(*) as early_views,
    count(distinct device_id) as early_devices,
    count(distinct ip_hash) as early_addresses
from window_events
where is_early
group by day, video_id;
