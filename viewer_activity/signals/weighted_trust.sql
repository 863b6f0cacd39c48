-- How far those who liked and commented are trusted, each by weight, and the votes of those who reported.
-- In:  weighted_events, viewer_trust(day, user_id, vts), the variable videos.
-- Out: weighted_trust(video_day, like_trust, comment_trust, report_votes_nano): sums of trust times weight.
--      All reports of one cluster are one vote, that of its member who counts most.
create or replace temp table weighted_trust as
with vouched as (
    select
        video_day,
        sum(vts::hugeint * weight_nano) filter (where kind = 'like') as like_trust,
        sum(vts::hugeint * weight_nano) filter (where kind = 'comment') as comment_trust
    from (select distinct video_day, user_id, kind, weight_nano from weighted_events where kind in ('like', 'comment'))
        as e
    join viewer_trust as t on t.day = e.video_day // getvariable('videos') and t.user_id = e.user_id
    group by video_day
),
reported as (
    select video_day, sum(weight_nano) as report_votes_nano
    from (
        select video_day, voter, max(weight_nano) as weight_nano
        from weighted_events
        where kind = 'report'
        group by video_day, voter
    )
    group by video_day
)
select *
from vouched
full join reported using (video_day);
