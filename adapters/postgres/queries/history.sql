select receipts.raw
from messages
join receipts on receipts.job = messages.job and receipts.id = messages.receipt and receipts.day = messages.day
where messages.recipient = any($1::text[])
  and (messages.submitted_at >= $2 or messages.enqueued_at >= $2 or (messages.state = 'unknown' and not messages.final))
