-- What carriers reported that became no receipt of ours: intermediate, of one part, repeated, late, or of a message that
-- nobody knows.

create table delivery_receipts (
    id          uuid        not null,  -- of what the carrier said: the same for every repeat
    day         date        not null,  -- on which it came, UTC
    received_at timestamptz not null,
    at          timestamptz not null,
    job         uuid,                  -- null: nobody knows, as yet
    part        smallint,              -- counted from 1; null where the message has but one
    channel     text        not null,
    carrier_id  text        not null,  -- as the carrier wrote it here
    bucket      text        not null,  -- what it has in common with other notations of it, see engine/carrier_ids.py
    recipient   text,                  -- as the carrier wrote it, if it did
    state       text        not null,
    code        text,
    status      text        not null,  -- as the carrier wrote it
    rule        text,                  -- by which the id was found to be the job's
    primary key (id, day)
) partition by range (day);

create index delivery_receipts_job on delivery_receipts (job) where job is not null;
create index delivery_receipts_unmatched on delivery_receipts (channel, bucket) where job is null;

-- How far a search through a table that only grows has come, and until when a worker is at it.
create table searches (
    name       text        primary key,
    at         timestamptz not null,
    job        uuid        not null,
    held_until timestamptz not null
);

-- Of messages whose delivery receipt never came, as far back as one can still be matched.
insert into searches values ('overdue', now() - interval '96 hours', '00000000-0000-0000-0000-000000000000', now());
