-- One round towards ties of the form (account, least account of its group): Kiveris et al., "Connected components in
-- MapReduce and beyond" (2014), the large star and then the small star.
-- In and out: ties(high, low). First every account ties its larger neighbours to the least account it knows, then
-- every account its smaller ones; no group is ever torn or joined. When a round changes nothing, it is done.
create or replace temp table ties as
with both_ways as (
    select high as account, low as other from ties
    union all
    select low as account, high as other from ties
),
least_known as (
    select account, least(account, min(other)) as root from both_ways group by account
),
large_star as (
    select distinct other as high, root as low
    from both_ways
    join least_known using (account)
    where other > account
),
least_below as (
    select high, min(low) as root from large_star group by high
)
select low as high, root as low
from large_star
join least_below using (high)
where low > root
union
select high, root from least_below;
