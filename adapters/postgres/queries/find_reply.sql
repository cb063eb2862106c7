select id, at, account, sender, number, text, channel, carrier_id, extend, job, ref
from inbound
where id = $1
order by at
limit 1
