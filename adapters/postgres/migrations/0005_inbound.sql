-- What people wrote to us, and who opted out of promotions.

create table inbound (
    id         uuid        not null,      -- the same for a repeat
    day        date        not null,      -- of its time
    at         timestamptz not null,
    account    text        not null,
    sender     text        not null,
    number     text        not null,      -- ours, as the carrier gives it
    text       text        not null,
    channel    text        not null,
    carrier_id text,
    extend     text,                      -- of the job it answers, as are the next two
    job        uuid,
    ref        text,
    primary key (id, day)                 -- id first: a repeat may come on another day
) partition by range (day);

create index inbound_at on inbound (at);
create index inbound_sender on inbound (sender);

create table opt_outs (
    recipient text        not null,
    account   text        not null,       -- '*': every account
    since     timestamptz not null,       -- of the last opt-out
    lifted_at timestamptz,                -- of an opt-in that came after it
    keyword   text,                       -- as it was written; null: an operator's doing
    channel   text,
    number    text,                       -- ours that it was written to
    primary key (recipient, account)
);
