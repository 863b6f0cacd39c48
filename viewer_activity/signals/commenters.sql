-- From how many people the comments came.
-- In:  window_events. Out: (video_day, commenters).
select video_day, count(*) as commenters
from (select distinct video_day, user_id from window_events where kind = kind('comment'))
group by video_day;
