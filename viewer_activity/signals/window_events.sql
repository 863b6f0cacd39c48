-- Who did what to which video on which day: read once, used by the families that need no more than this.
-- In:  counted_events. Out: window_events(video_day, user_id, kind), kind as the macro kind() numbers the types.
create or replace temp table window_events as
select video_day, user_id, kind(event_type) as kind
from counted_events;
