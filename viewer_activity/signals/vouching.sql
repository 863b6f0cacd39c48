-- The events by which a viewer vouches for a video, or against it.
-- In:  window_events, the variable videos. Out: vouching(day, video_day, user_id, kind).
create or replace temp table vouching as
select video_day // getvariable('videos') as day, video_day, user_id, kind
from window_events
where kind in ('like', 'comment', 'report');
