insert into channel_events (at, channel, what, old, new, reason, by)
select * from unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[])
