-- A database that was set back to a backup: what providers were handed since then.

create table restores (
    at         timestamptz not null,
    since      timestamptz not null,
    channel    smallint primary key,
    unread     boolean not null,
    unnamed    int not null default 0,
    providers  text[] not null
);

create table found_letters (
    at         timestamptz not null,
    attempt    smallint not null,
    sent       boolean not null,
    settled    boolean not null default false,
    notice     bytea not null,
    job        bytea not null,
    primary key (notice, attempt)
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1);

create index found_letters_open on found_letters (notice) where not settled;
