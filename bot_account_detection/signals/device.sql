-- How many accounts share each device of an account, and how many of its acts came from there.
-- In:  used_devices. Out: one row an account and device, in a fixed order.
with shared as (
    select device_id, count(*) as accounts from used_devices where device_id is not null group by device_id
)
select user_id, coalesce(accounts, 1) as accounts, acts
from used_devices
left join shared using (device_id)
order by user_id, accounts, acts;
