-- How rare each video is, a hot one counting little: 1 / its visitors, in billionths.
-- In: visits. Out: popular(video_id, rarity).
create or replace temp table popular as
select
    video_id,
    round(1e9 / count(*))::bigint as rarity
from visits
group by video_id;
