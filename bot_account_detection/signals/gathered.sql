-- Where several accounts came from one address to one video within the hour.
-- In: busy_acts. Out: gathered(place, video_id, block, accounts), a table.
create or replace temp table gathered as
select place, video_id, block, count(*) as accounts
from busy_acts
group by place, video_id, block
having count(*) >= $together_accounts;
