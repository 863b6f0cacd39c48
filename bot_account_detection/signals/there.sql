-- How many accounts were at those addresses in those hours, whatever they did.
-- In: acts, gathered. Out: there(place, block, accounts), a table.
create or replace temp table there as
select ip_hash as place, ts_us // $together_block_us as block, count(distinct user_id) as accounts
from acts
where (ip_hash, ts_us // $together_block_us) in (select (place, block) from gathered)
group by place, block;
