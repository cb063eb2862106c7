-- What carriers took of some categories within some time, or may have taken, by kind, and of each the last so many.
-- The time is that of a job's first receipt that says so, for receipts have an index on theirs.
select
    category, account, signature, template, count(*) as messages,
    (array_agg(job order by told.at desc))[1:$4] as jobs, (array_agg(told.at order by told.at desc))[1:$4] as times
from receipts as told
join messages using (job, day)
where told.at >= $1 and told.at < $2
  and told.state not in ('rejected', 'failed', 'expired') and messages.state not in ('rejected', 'failed', 'expired')
  and category = any($3::text[])
  and not exists (
    select from receipts as earlier
    where earlier.job = told.job and earlier.day = told.day and (earlier.at, earlier.id) < (told.at, told.id)
      and earlier.state not in ('rejected', 'failed', 'expired')
  )
group by category, account, signature, template
