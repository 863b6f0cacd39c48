-- Accounts that hang together, as pairs with the larger number first.
-- In: pairs_given(one, two). Out: ties(high, low), a table.
create or replace temp table ties as
select distinct greatest(one, two) as high, least(one, two) as low
from pairs_given
where one <> two;
