-- Timelines, as PostgreSQL calls them: a database that was set back to a backup begins another one beside a log that went on.

create table log.timeline (
    number   bigint      primary key, -- when it began, in ms since 1970: a later one is higher, whatever was forgotten
    begun_at timestamptz not null default clock_timestamp()
);

-- The last sequences given when it began: blocks of earlier timelines beyond them are nobody's any more.
create table log.timeline_head (
    number    bigint  not null references log.timeline,
    source    text    not null,
    topic     text    not null,
    partition integer not null,
    last_seq  bigint  not null,
    primary key (number, source, topic, partition)
);
