-- How rare each video is, a hot one counting little: 1 / its visitors, in billionths.
-- In: visits. Out: popular(video_id, place, rarity); places number the videos from 0.
create or replace temp table popular as
select
    video_id,
    row_number() over (order by video_id) - 1 as place,
    round(1e9 / count(*))::bigint as rarity
from visits
group by video_id;
