-- The rush of the first two hours after the upload, as far as it falls on the day that is scored.
-- In:  placed. Out: (video_day, early_views, early_devices, early_addresses).
select
    video_day,
    count(*) as early_views,
    count(distinct device) as early_devices,
    count(distinct address) as early_addresses
from placed
where not is_like
group by video_day;
