-- The trust of every viewer who liked, commented or reported, on each day that they did.
-- In:  vouching(day, user_id), window_days(day, as_of_us), users(id, created_at, likely_bot, kyc_level,
--      viewer_trust_score).
-- Out: viewer_trust(day, user_id, vts): whole billionths of a thousandth of a point, so that sums are exact.
-- A viewer without a row in users is unknown, as is one without an age and without a given score.
create or replace temp table viewer_trust as
with voucher as (
    select distinct day, user_id from vouching
),
points as (
    select
        voucher.day,
        voucher.user_id,
        coalesce(
            users.viewer_trust_score,
            -- greatest() passes over a null, so an unknown age must not reach it.
            case when users.created_at is not null then
                $new_account + $per_day * greatest(0, d.as_of_us - epoch_us(users.created_at))::double / 86400e6
            end,
            $unknown
        )
        + case users.kyc_level
            when 0 then $bonus_none
            when 1 then $bonus_contact
            when 2 then $bonus_document
            when 3 then $bonus_full
            else 0
        end
        - case when users.likely_bot then $likely_bot_penalty else 0 end as vts
    from voucher
    join window_days as d on d.day = voucher.day
    left join users on users.id = voucher.user_id
)
select day, user_id, round(least(100e0, greatest(0e0, vts)) * $point)::bigint as vts
from points;
