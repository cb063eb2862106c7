select receipts.raw
from messages
join receipts on receipts.job = messages.job and receipts.id = messages.receipt and receipts.day = messages.day
where messages.job = $1
order by messages.rank desc, messages.day
limit 1
