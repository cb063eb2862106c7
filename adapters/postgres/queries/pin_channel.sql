insert into channel_pins (channel, weight, until, by)
values ($1, $2, now() + make_interval(secs => $3), $4)
on conflict (channel) do update set weight = excluded.weight, until = excluded.until, by = excluded.by
