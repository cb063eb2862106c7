insert into receipts (job, id, day, at, final, state, raw)
select * from unnest($1::uuid[], $2::uuid[], $3::date[], $4::timestamptz[], $5::boolean[], $6::text[], $7::jsonb[])
on conflict (job, id, day) do nothing
