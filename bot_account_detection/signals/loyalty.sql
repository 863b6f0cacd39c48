-- To whom each account goes most, and how much of all its visits that is.
-- In:  pairs. Out: one row an account, ordered by id: all visits, the creator with most of them, the visits and
--      reports there, and how much of the visits of other people that creator has: the popularity that is nobody's main errand.
with ranked as (
    select
        *,
        sum(visits) over (partition by user_id)::bigint as all_visits,
        row_number() over (partition by user_id order by visits desc, creator_id) as place
    from pairs
),
passing as (
    select creator_id, sum(visits)::double as visits from ranked where place > 1 group by creator_id
)
select
    user_id,
    all_visits,
    ranked.creator_id,
    ranked.visits,
    reports as reported,
    coalesce(passing.visits, 0) / greatest(1, (select sum(visits) from passing)) as popularity
from ranked
left join passing using (creator_id)
where place = 1
order by user_id;
