-- The spots with enough acts to matter, by a grouping of all of them; in process `ways.py` finds them by sorting.
-- In: acts. Out: busy_spots(spot), a table; spot as spots.sql makes it.
create or replace temp table busy_spots as
select hash(ip_hash, video_id, ts_us // $together_block_us) as spot
from acts
where ip_hash is not null
group by spot
having count(*) >= $together_accounts;
