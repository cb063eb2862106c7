-- Each row becomes that of its highest-ranked receipt; of equal ranks the first stands. Answers the jobs it changed.
insert into messages as standing (
    job, day, rank, receipt, account, recipient, signature, template, category, ref,
    state, final, code, channel, carrier_id, segments, attempts, enqueued_at, submitted_at, final_at
)
select * from unnest(
    $1::uuid[], $2::date[], $3::smallint[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::boolean[], $13::text[], $14::text[], $15::text[], $16::smallint[], $17::integer[],
    $18::timestamptz[], $19::timestamptz[], $20::timestamptz[]
)
on conflict (job, day) do update set
    rank = excluded.rank,
    receipt = excluded.receipt,
    category = excluded.category,
    state = excluded.state,
    final = excluded.final,
    code = excluded.code,
    channel = excluded.channel,
    carrier_id = excluded.carrier_id,
    segments = excluded.segments,
    attempts = excluded.attempts,
    enqueued_at = excluded.enqueued_at,
    submitted_at = least(excluded.submitted_at, standing.submitted_at),
    final_at = excluded.final_at
where excluded.rank > standing.rank
returning job
