-- How far those who liked and commented are trusted, each by weight, and the votes of those who reported.
-- In:  weighted_events, the macros kind() and vts(), window_days, users, the variable videos.
-- Out: weighted_trust(video_day, like_trust, comment_trust, report_votes_nano): sums of trust times weight.
--      All reports of one cluster are one vote, that of its member who counts most.
create or replace temp table weighted_trust as
with vouching as (
    select distinct video_day, user_id, kind, weight_nano
    from weighted_events
    where kind in (kind('like'), kind('comment'))
),
trusted as (
    select
        video_day,
        kind,
        vts(u.viewer_trust_score, u.created_at, u.kyc_level, u.likely_bot, d.as_of_us)::hugeint * weight_nano as trust
    from vouching
    join window_days as d on d.day = vouching.video_day // getvariable('videos')
    left join users as u on u.id = vouching.user_id
),
vouched as (
    select
        video_day,
        sum(trust) filter (where kind = kind('like')) as like_trust,
        sum(trust) filter (where kind = kind('comment')) as comment_trust
    from trusted
    group by video_day
),
reported as (
    select video_day, sum(weight_nano) as report_votes_nano
    from (
        select video_day, voter, max(weight_nano) as weight_nano
        from weighted_events
        where kind = kind('report')
        group by video_day, voter
    )
    group by video_day
)
select *
from vouched
full join reported using (video_day);
