-- How many accounts share each device of an account, and how many of its acts came from there.
-- In:  acts. Out: one row an account and device (an unknown device is a device of one's own), in a fixed order.
with used as (
    select user_id, device_id, count(*) as acts from acts group by user_id, device_id
),
shared as (
    select device_id, count(*) as accounts from used where device_id is not null group by device_id
)
select user_id, coalesce(accounts, 1) as accounts, acts
from used
left join shared using (device_id)
order by user_id, accounts, acts;
