insert into scheduled (job, due_at, enqueued_at, category, traceparent, body)
select * from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bytea[], $6::bytea[])
on conflict (job) do nothing
