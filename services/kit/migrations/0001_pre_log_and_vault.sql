-- The log that all rooms share: the log itself when embedded, outbox and journal with Kafka.

create schema log;

create table log.log (
    topic     text        not null,
    partition integer     not null,
    source    text        not null,
    seq       bigint      not null,
    at        timestamptz not null default clock_timestamp(),
    headers   bytea,
    block     bytea       not null,
    primary key (topic, partition, source, seq)
) with (
    autovacuum_vacuum_insert_threshold = 10000000, toast.autovacuum_vacuum_insert_threshold = 10000000 -- services/kit/README.md
);
-- Blocks are packed already: trying to compress them costs CPU and gains little.
alter table log.log alter column block set storage external;

-- The last sequence given. Its row stays locked until the giver's commit, so sequences have no gaps and
-- become visible in order.
create table log.head (
    source    text    not null,
    topic     text    not null,
    partition integer not null,
    last_seq  bigint  not null,
    primary key (source, topic, partition)
) with (fillfactor = 50); -- updated at every commit: room for the new version on the same page

-- What was fixed at the first start: one row.
create table log.installation (
    partitions integer not null,
    sole       boolean primary key default true check (sole)
);

-- How far each reader got, written lazily: what the slowest has not read is kept.
create table log.reader (
    stage     text    not null,
    topic     text    not null,
    partition integer not null,
    source    text    not null,
    taken     bigint  not null,
    primary key (stage, topic, partition, source)
);

-- Who sent which dead letter back or deleted it; written before that is done.
create table log.dead_letter_acts (
    number     bigint      generated always as identity primary key,
    at         timestamptz not null default clock_timestamp(),
    principal  text        not null,
    request_id text        not null,
    topic      text        not null,
    partition  integer     not null,
    position   bigint      not null, -- of the dead letter in its topic; of a purge the last one that is deleted
    act        text        not null  -- core.access.Act
);

-- Tokens that machines signed and that were used, until they have expired: each opens once in an installation.
create table log.spent_tokens (
    digest bytea       primary key, -- of the machine and the token's id
    until  timestamptz not null
);
create index spent_tokens_until on log.spent_tokens (until);

-- Says whether a token was not used before, and that it is now. Rooms have no other way to the table: one that is taken
-- over can make no used token good again. Some that are over go each time; five minutes later than they say, as clocks
-- differ.
create function log.spend(token bytea, good_until timestamptz) returns boolean
language sql volatile security definer set search_path = log, pg_temp as $$
    with over as (
        delete from spent_tokens where digest in (
            select digest from spent_tokens where until < clock_timestamp() - interval '5 minutes'
            order by until limit 20 for update skip locked
        )
    ), spent as (
        insert into spent_tokens (digest, until) values (token, good_until) on conflict do nothing returning digest
    )
    select exists (select from spent)
$$;
revoke all on function log.spend from public;

-- Sealed personal data and the wrapped keys that open it: the one place to erase.
create schema vault;

create table vault.keys (
    key_id      uuid        primary key,
    incident_id text        not null,
    kek_version integer     not null,
    wrapped     bytea       not null,
    created_at  timestamptz not null default clock_timestamp()
);

create sequence vault.page_numbers as bigint;

-- The sealed data of the people of one block, side by side. Who is where is known by their slots, which travel with
-- their ids.
create table vault.pages (
    page   bigint    primary key,
    key_id uuid      not null,
    ends   integer[] not null,    -- the i-th leaf of payloads lies between the i-th and the next of these
    sealed bytea     not null
) with (
    autovacuum_vacuum_insert_threshold = 10000000, toast.autovacuum_vacuum_insert_threshold = 10000000,
    autovacuum_analyze_scale_factor = 1 -- services/kit/README.md
);
-- Sealed data does not get smaller, and what is stored as it is can be read in part.
alter table vault.pages alter column sealed set storage external;
alter table vault.pages alter column ends set storage external;

-- Takes away sealed data of synthetic people, who are nobody. Intake has no other way to take anything out of the vault:
-- one that is taken over can erase nobody's data.
create function vault.forget_synthetic(wanted bigint[]) returns void
language sql volatile security definer set search_path = vault, pg_temp as $$
    with gone as (
        delete from pages using keys
        where page = any(wanted) and keys.key_id = pages.key_id and incident_id = 'heraut-synthetic'
        returning pages.key_id
    )
    delete from keys using gone where keys.key_id = gone.key_id
$$;
revoke all on function vault.forget_synthetic from public;
