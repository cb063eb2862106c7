-- Jobs whose time is far off; the stager takes them out again shortly before they are due.

create table scheduled (
    job         uuid        primary key,  -- a job that is kept already stays as it is
    due_at      timestamptz not null,     -- infinity: a row that could not be read, for a person to look at
    enqueued_at timestamptz not null,
    category    text        not null,
    traceparent bytea,                    -- bytes, for text does not take every character a producer may send
    body        bytea       not null      -- the job as JSON, as it travels in the queue
);

create index scheduled_due_at on scheduled (due_at);
