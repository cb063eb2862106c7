-- A job may be scheduled, and so its day lies before that of its submission: by 30 days at the most, or it is not found.
select receipts.raw
from messages
join receipts on receipts.job = messages.job and receipts.id = messages.receipt and receipts.day = messages.day
where messages.state = 'submitted'
  and messages.channel is not null
  and messages.carrier_id is not null
  and messages.submitted_at >= $1
  and messages.day >= ($1 at time zone 'UTC')::date - 30
  and ($2::uuid is null or messages.job > $2)
order by messages.job
limit $3
