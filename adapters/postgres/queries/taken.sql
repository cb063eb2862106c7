-- What carriers took of some categories within some time, or may have taken, by kind, and of each the last so many.
-- The time is that of the receipt that says so, for those have an index on it; where two do, each time counts.
-- `offset 0` keeps the planner from reading all days of messages for a join.
select
    category, account, signature, template, count(*) as messages,
    coalesce((array_agg(job order by at desc) filter (where $4 > 0))[1:$4], '{}') as jobs,
    coalesce((array_agg(at order by at desc) filter (where $4 > 0))[1:$4], '{}') as times
from (
    select job, day, max(at) as at
    from receipts
    where at >= $1 and at < $2 and state in ('submitted', 'unknown') and not final
    group by job, day
) as told
cross join lateral (
    select category, account, signature, template
    from messages
    where messages.job = told.job and messages.day = told.day
      and state not in ('rejected', 'failed', 'expired') and category = any($3::text[])
    offset 0
) as message
group by category, account, signature, template
