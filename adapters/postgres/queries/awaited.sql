-- By the index on the time of receipts, a page after the other.
select receipts.raw
from receipts
join messages on messages.job = receipts.job and messages.day = receipts.day and messages.receipt = receipts.id
where receipts.at >= $1
  and receipts.state = 'submitted'
  and messages.channel is not null
  and messages.carrier_id is not null
  and ($2::uuid is null or (receipts.at, receipts.job) > ($1, $2))
order by receipts.at, receipts.job
limit $3
