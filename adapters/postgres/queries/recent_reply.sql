select id, at, account, sender, number, text, channel, carrier_id, extend, job, ref
from inbound
order by at desc
limit $1
