-- A repeat changes nothing, but that the job of one that was nobody's may be known now.
insert into delivery_receipts as kept (
    id, day, received_at, at, job, part, channel, carrier_id, bucket, recipient, state, code, status, rule
)
select * from unnest(
    $1::uuid[], $2::date[], $3::timestamptz[], $4::timestamptz[], $5::uuid[], $6::smallint[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[]
)
on conflict (id, day) do update set job = excluded.job, part = excluded.part, rule = excluded.rule
where kept.job is null and excluded.job is not null
