-- How many accounts came to those videos in those hours, from any known address.
-- In: acts, gathered. Out: hits(block, video_id, accounts), a table.
create or replace temp table hits as
select ts_us // $together_block_us as block, video_id, count(distinct user_id) as accounts
from acts
where ip_hash is not null and (ts_us // $together_block_us, video_id) in (select (block, video_id) from gathered)
group by block, video_id;
