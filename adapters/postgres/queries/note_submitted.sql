-- What a receipt knows although it came too late to change the state: the earliest time of submission stands.
update messages
set submitted_at = late.submitted_at
from unnest($1::uuid[], $2::date[], $3::timestamptz[]) as late (job, day, submitted_at)
where messages.job = late.job
  and messages.day = late.day
  and (messages.submitted_at is null or messages.submitted_at > late.submitted_at)
