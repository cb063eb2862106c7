-- By the index on the time of receipts, a page after the other; `raw` only of those that stand.
with page as (
    select job, id, day, at, raw
    from receipts
    where at < $1 and at >= $2 and (at, job) > ($2, $3) and state = 'submitted'
    order by at, job
    limit $4
)
select page.at, page.job, case when messages.job is not null then page.raw end as raw
from page
left join messages on messages.job = page.job and messages.day = page.day and messages.receipt = page.id
order by page.at, page.job
