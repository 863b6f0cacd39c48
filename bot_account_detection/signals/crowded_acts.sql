-- What was done from devices that more accounts share than a family has; once for each account and video.
-- In: acts, used_devices. Out: crowded_acts(user_id, video_id, place), a table; place is a device.
create or replace temp table crowded_acts as
select distinct user_id, video_id, device_id as place
from acts
where device_id in (
    select device_id from used_devices where device_id is not null group by device_id having count(*) > $device_viewers
);
