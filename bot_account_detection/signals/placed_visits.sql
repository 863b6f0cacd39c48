-- Who was on which video in which block of time.
-- In:  visits, popular, persons(user_id, person): the accounts of people.sql with their numbers, the variable until_us.
-- Out: one row a visit, in no order: the spot (video and block in one number), the person, the time, and how rare the
--      video is. Asked in {parts} parts, so that a long log is never held twice.
select
    place * (getvariable('until_us') // $lockstep_block_us + 1) + first_us // $lockstep_block_us as spot,
    person::integer as person,
    first_us,
    rarity::integer as rarity
from visits
join persons using (user_id)
join popular using (video_id)
where visits.user_id % {parts} = {part}
