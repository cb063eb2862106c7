insert into inbound (id, day, at, account, sender, number, text, channel, carrier_id, extend, job, ref)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
on conflict (id, day) do nothing
