-- Of the messages that `taken.sql` counts, the receipts that stand of each kind's last so many.
select raw
from (
    select job, day, receipt, at, row_number() over (
        partition by category, account, signature, template order by at desc, job
    ) as nth
    from (
        select messages.*, coalesce(submitted_at, told_at) as at
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
) as numbered
join receipts on receipts.job = numbered.job and receipts.id = numbered.receipt and receipts.day = numbered.day
where nth <= $3
