-- Which devices each account used, and for how many of its acts; an unknown device is a device of one's own.
-- In: acts. Out: used_devices(user_id, device_id, acts).
create or replace temp table used_devices as
select user_id, device_id, count(*) as acts
from acts
group by user_id, device_id;
