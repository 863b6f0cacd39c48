-- Every account with what is known of it.
-- In:  users(id, created_at, kyc_level, viewer_trust_score, likely_bot), the variable as_of_us.
-- Out: one row an account, ordered by id; age in days, null where it is unknown.
select
    id as user_id,
    greatest(0, getvariable('as_of_us') - epoch_us(created_at))::double / 86400e6
        + case when created_at is null then null else 0 end as age_days,
    kyc_level,
    viewer_trust_score,
    coalesce(likely_bot, false) as likely_bot
from users
order by id;
