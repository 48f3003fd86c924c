-- What a stage keeps, in its room's own schema. A room with several stages (one a channel) tells them apart
-- by the stage's name.

create table owner (
    stage       text        not null,
    partition   integer     not null,
    epoch       bigint      not null default 0,  -- moves at every take-over; every transaction compares it
    holder      text,
    lease_until timestamptz,                     -- on the database's clock
    primary key (stage, partition)
);

create table replica (
    stage      text        not null,
    holder     text        not null,
    seen_until timestamptz not null,
    primary key (stage, holder)
);

create table input (
    stage       text    not null,
    topic       text    not null,
    partition   integer not null,
    next_offset bigint  not null,                -- Kafka's; on the embedded log the number of blocks taken
    taken       jsonb   not null default '{}',   -- source -> highest sequence taken
    primary key (stage, topic, partition)
);

create table publisher (
    stage     text    not null,
    topic     text    not null,
    partition integer not null,
    published bigint  not null,                  -- every sequence up to this one is in Kafka
    primary key (stage, topic, partition)
);

create table totals (
    scope    text        not null,
    source   text        not null,
    sequence bigint      not null,
    counts   bigint[]    not null,               -- in the order of the room's COUNTERS
    first_at timestamptz not null default clock_timestamp(),
    primary key (scope, source)
);
