-- The acts at addresses, videos and hours with enough acts to matter.
-- In: acts. Out: busy_acts(place, video_id, block, user_id), a table; place is an address. In process they are found by
--     sorting.
create or replace temp table busy_acts as
with placed as (
    select ip_hash as place, video_id, ts_us // $together_block_us as block, user_id
    from acts
    where ip_hash is not null
),
busy as (
    select place, video_id, block from placed group by place, video_id, block having count(*) >= $together_accounts
)
select place, video_id, block, user_id from placed join busy using (place, video_id, block);
