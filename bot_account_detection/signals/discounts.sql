-- What an account's acts for one creator count beside its weight, in thousandths; whole where there is no row.
-- In: found(user_id, creator_id, thousandths). Out: discounts, of the same columns, one row a pair: a table.
create or replace temp table discounts as
select user_id, creator_id, min(thousandths) as thousandths
from found
group by user_id, creator_id;
