-- How many people each creator reached, each by what the other families leave of them: robots that are sent to a
-- creator are no audience, and neither are those who came to report.
-- In: visits, standing(user_id, nano). Out: one row a creator, ordered by id.
with reached as (
    select user_id, creator_id from visits group by user_id, creator_id having sum(reports) = 0
),
everybody as (
    select creator_id, user_id from reached
    union
    select creator_id, null from visits
)
select creator_id, coalesce(sum(nano), 0)::double / 1e9 as audience
from everybody
left join standing using (user_id)
group by creator_id
order by creator_id;
