-- How many messages carriers took, or may have taken, by kind and by spans of so many microseconds.
-- Found by the time of their receipts, which has an index, for a message may be of a day long before its submit.
select category, account, signature, template, div(extract(epoch from at) * 1000000, $3::bigint)::bigint as nth, count(*)
from (
    select category, account, signature, template, coalesce(submitted_at, told_at) as at
    from messages
    join (
        select job, day, max(at) as told_at
        from receipts
        where at >= $1 and state not in ('rejected', 'failed', 'expired')
        group by job, day
    ) as told using (job, day)
    where state not in ('rejected', 'failed', 'expired') and category = any($4::text[])
) as taken
where at >= $1 and at < $2
group by category, account, signature, template, nth
