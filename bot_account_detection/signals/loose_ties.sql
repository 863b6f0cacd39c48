-- How many ties do not yet lead to the least account of a group.
-- In: ties. Out: loose, one row.
select
    (select count(*) from ties as a join ties as b on b.high = a.low)
        + (select count(*) - count(distinct high) from ties) as loose;
