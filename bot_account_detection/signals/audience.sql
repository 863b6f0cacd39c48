-- How many different accounts each creator reached.
-- In: visits. Out: one row a creator, ordered by id.
select creator_id, count(distinct user_id) as audience from visits group by creator_id order by creator_id;
