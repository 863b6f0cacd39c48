-- Who was on which video, with accounts and creators as numbers from 0.
-- In:  visits, numbered_accounts(user_id, number), numbered_creators(creator_id, number), the variable since_us.
-- Out: one row an account and video of one of {parts} parts of the accounts, in no order.
select
    a.number as account,
    c.number as creator,
    ((first_us - getvariable('since_us')) // $sitting_us)::integer as sitting,
    visits::integer as visits,
    reports::integer as reports,
    praise::integer as praise
from visits
join numbered_accounts as a using (user_id)
join numbered_creators as c using (creator_id)
where user_id % {parts} = {part};
