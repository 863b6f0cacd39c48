-- How each account came to each creator, as traits that every audience has some of.
-- In:  pairs, standing(user_id, nano, batch). Out: traits(user_id, creator_id, nano, used, batch, one_shot, crowd,
--      praise, detached), a table. Whoever reports a creator is no part of the creator's audience.
create or replace temp table traits as
with life as (
    select user_id, sum(visits)::bigint as visits from pairs group by user_id
)
select
    user_id,
    creator_id,
    s.nano,
    least(1.0, pairs.visits / ($crowd_share * life.visits)) as used,
    s.batch,
    (life.visits <= $one_shot_visits)::integer as one_shot,
    case
        when life.visits <= $one_shot_visits or pairs.visits < $crowd_visits then 0
        when pairs.visits >= $crowd_high * life.visits then 3
        when pairs.visits >= $crowd_share * life.visits then 2
        when pairs.visits >= $crowd_low * life.visits then 1
        else 0
    end as crowd,
    (praised > 0 and praised >= $praise_share * videos)::integer as praise,
    (alone = videos and life.visits - pairs.visits >= $detached_others)::integer as detached
from pairs
join life using (user_id)
join standing as s using (user_id)
where reports = 0;
