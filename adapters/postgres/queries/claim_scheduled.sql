-- Due jobs that no other stager holds just now; they are ours until the transaction ends.
select job, enqueued_at, category, traceparent, body
from scheduled
where due_at <= $1
order by due_at
limit $2
for update skip locked
