-- Who was at addresses, on videos and in hours with enough acts to matter; an account is there once.
-- In:  acts. Out: busy_acts(place, video_id, block, user_id), a table; place is an address. Any others may be among them.
create or replace temp table busy_acts as
with placed as (
    select ip_hash as place, video_id, ts_us // $together_block_us as block, user_id
    from acts
    where ip_hash is not null
),
busy as (
    select place, video_id, block from placed group by place, video_id, block having count(*) >= $together_accounts
)
select distinct place, video_id, block, user_id from placed join busy using (place, video_id, block);
