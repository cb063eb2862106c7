-- Stores receipts; each message's row becomes that of its highest-ranked receipt, and of equal ranks the first stands.
-- Answers the jobs whose row is another receipt's, where this one knows of a time of submission.
-- What a receipt says is read from its JSON here: that costs less than columns of it on both sides.
with sent as (
    select *
    from unnest(
        $1::uuid[], $2::date[], $3::uuid[], $4::timestamptz[], $5::jsonb[], $6::boolean[], $7::smallint[],
        $8::timestamptz[], $9::timestamptz[]
    ) as sent (job, day, id, at, raw, stands, rank, enqueued_at, submitted_at)
),
told as (
    select sent.*, said.*
    from sent, jsonb_to_record(raw) as said (
        account text, "to" text, signature text, template text, category text, ref text, state text, final boolean,
        code text, channel text, carrier_id text, segments smallint, attempts integer
    )
),
kept as (
    insert into receipts (job, id, day, at, final, state, raw)
    select job, id, day, at, final, state, raw from told
    on conflict (job, id, day) do nothing
),
changed as (
    insert into messages as standing (
        job, day, rank, receipt, account, recipient, signature, template, category, ref, state, final, code, channel,
        carrier_id, segments, attempts, enqueued_at, submitted_at, final_at
    )
    select
        job, day, rank, id, account, "to", signature, template, category, ref, state, final, code, channel,
        carrier_id, segments, attempts, enqueued_at, submitted_at, case when final then at end
    from told
    where stands
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
)
select job from told where stands and submitted_at is not null
except
select job from changed
