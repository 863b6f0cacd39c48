-- The trust score (VTS) of an account as a macro: whole billionths of a thousandth of a point, so that sums are exact.
-- An account without a row in users is unknown, as is one without an age and without a given score.
create or replace temp macro vts(given, created_at, kyc_level, likely_bot, as_of_us) as
    round(
        least(
            100e0,
            greatest(
                0e0,
                coalesce(
                    given,
                    -- greatest() passes over a null, so an unknown age must not reach it.
                    case when created_at is not null then
                        {new_account} + {per_day} * greatest(0, as_of_us - epoch_us(created_at))::double / 86400e6
                    end,
                    {unknown}
                )
                + case kyc_level
                    when 0 then {bonus_none}
                    when 1 then {bonus_contact}
                    when 2 then {bonus_document}
                    when 3 then {bonus_full}
                    else 0
                end
                - case when likely_bot then {likely_bot_penalty} else 0 end
            )
        ) * {point}
    )::bigint;
