-- All units of every viewer in the window: what a budget is shared out over.
-- In: weighted_events. Out: one row a viewer with units, ordered by id.
select user_id, sum(units)::bigint as units, max(weight_nano) as weight_nano
from weighted_events
group by user_id
having sum(units) > 0
order by user_id;
