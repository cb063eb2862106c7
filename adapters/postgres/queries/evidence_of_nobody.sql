select delivery_receipts.*
from unnest($1::text[], $2::text[]) as sought (channel, bucket)
join delivery_receipts on delivery_receipts.channel = sought.channel and delivery_receipts.bucket = sought.bucket
where delivery_receipts.job is null and delivery_receipts.day >= $3 and delivery_receipts.state <> 'submitted'
