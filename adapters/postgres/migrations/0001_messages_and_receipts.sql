-- The record for people. No index holds a column that changes, so that an update stays within its page (HOT).

create table messages (
    job          uuid        not null,
    day          date        not null,  -- when the job was made, see partitions.py
    rank         smallint    not null,  -- of the receipt that stands: only a higher one replaces it
    segments     smallint    not null,
    attempts     integer     not null,
    final        boolean     not null,
    receipt      uuid        not null,  -- the receipt that stands
    enqueued_at  timestamptz not null,
    submitted_at timestamptz,
    final_at     timestamptz,
    state        text        not null,
    category     text        not null,
    account      text        not null,
    recipient    text        not null,
    signature    text,
    template     text,
    ref          text,
    code         text,
    channel      text,
    carrier_id   text,
    primary key (job, day)              -- job first: a job is looked up without knowing its day
) partition by range (day);

create index messages_recipient on messages (recipient);

create table receipts (
    job   uuid        not null,
    id    uuid        not null,
    day   date        not null,         -- the same as that of the job's row
    at    timestamptz not null,
    final boolean     not null,
    state text        not null,
    raw   jsonb       not null,         -- the receipt as it was published
    primary key (job, id, day)          -- job first: the receipts of a job lie together
) partition by range (day);

create index receipts_at on receipts (at);

-- Receipts whose values the tables above do not take, whole, for a person to look at.
create table receipts_rejected (
    id          uuid        primary key,
    job         uuid        not null,
    rejected_at timestamptz not null default now(),
    error       text        not null,
    raw         text        not null
);
