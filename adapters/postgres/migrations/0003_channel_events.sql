-- What was decided about the channels, by the engine or by an operator, and what an operator decided that holds now.

create table channel_events (
    id      bigint generated always as identity primary key,
    at      timestamptz not null default now(),
    channel text        not null,  -- * for all of them
    what    text        not null,  -- breaker, throttle, receipts, score, pin, alarm
    old     text        not null,
    new     text        not null,
    reason  text        not null,
    by      text        not null   -- the worker, or the operator
);

create index channel_events_at on channel_events (at);

create table channel_pins (
    channel text             primary key,
    weight  double precision,        -- null: no messages go over it
    until   timestamptz,             -- null: until it is taken back
    by      text             not null
);
