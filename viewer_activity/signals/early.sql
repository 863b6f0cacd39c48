-- The rush of the first two hours after the upload, as far as it falls on the day that is scored.
-- In:  window_events. Out: (video_day, early_views, early_devices, early_addresses).
select
    video_day,
    count(*) as early_views,
    count(distinct device) as early_devices,
    count(distinct address) as early_addresses
from window_events
where kind = kind('view') and is_early
group by video_day;
