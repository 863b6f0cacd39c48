-- How many accounts did anything in those hours, from any known address.
-- In: acts, gathered. Out: hours(block, accounts), a table.
create or replace temp table hours as
select ts_us // $together_block_us as block, count(distinct user_id) as accounts
from acts
where ip_hash is not null and ts_us // $together_block_us in (select block from gathered)
group by block;
