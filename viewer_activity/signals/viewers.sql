-- From how many people the views came.
-- In:  window_events. Out: (video_day, viewers).
select video_day, count(*) as viewers
from (select distinct video_day, user_id from window_events where kind = kind('view'))
group by video_day;
