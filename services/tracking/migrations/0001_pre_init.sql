-- What tracking keeps. No personal data: notices and members are hashes.

-- Cohorts that something was heard of: rows of notices carry 4 bytes, not two names.
create table cohorts (
    number int generated always as identity unique,
    scope  text collate "C" primary key -- "incident/cohort"; byte order, so that an incident's are found by their prefix
);

-- Notices in the order in which they became known, a row a block, packed: what was heard of each first. Columns of numbers
-- have four bytes a notice, or four of all where they are the same. What nothing reads by content is not compressed, so
-- that a piece of it is read as one.
create table blocks (
    first     bigint primary key,   -- the place of its first notice: how many stand in the blocks before
    at        timestamptz not null, -- of the event that decided the states
    channel   smallint not null,    -- core.channel; 0 = none
    cohorts   bytea not null,       -- empty: all of its notices have rows of their own
    revisions bytea not null,
    attempts  bytea not null,       -- 0 = none was made
    states    bytea not null,       -- domain.State
    notices   bytea not null,       -- their ids, one after the other
    members   bytea not null        -- the bearers' likewise
);

alter table blocks alter column cohorts set storage external;
alter table blocks alter column revisions set storage external;
alter table blocks alter column attempts set storage external;
alter table blocks alter column states set storage external;
alter table blocks alter column notices set storage external;
alter table blocks alter column members set storage external;

-- Where notices stand by the beginnings of their ids, of each segment that is full (`places.py`).
create table places (
    segment int not null,
    bucket  smallint not null,
    entries bytea not null,         -- sorted numbers of eight bytes
    primary key (bucket, segment)
);

-- One row a notice of which its block does not say where it stands: more was heard of it, or a receipt or a supersession
-- first. It takes in what its block says. Widest first.
create table notices (
    at       timestamptz not null, -- of the event that decided the state
    cohort   int not null,         -- 0 = nothing but receipts was heard of it
    revision int not null,
    mark     int not null,         -- odd: a later revision stands for the bearer; the highest heard
    attempt  int not null,         -- the attempt that decided the state; 0 = none was made
    state    smallint not null,    -- domain.State
    channel  smallint not null,    -- core.channel; 0 = none
    notice   bytea primary key,
    member   bytea                 -- the bearer; null while only a supersession was heard
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

-- What our own rooms said of notices of which more was heard than their rows say: several attempts, or what ended one.
create table steps (
    at       timestamptz not null,
    attempt  smallint not null,    -- its number; 0 = none was made
    state    smallint not null,    -- domain.State
    channel  smallint not null,    -- core.channel; 0 = none
    notice   bytea not null,
    primary key (notice, attempt, state, channel, at)
);

-- What was said of attempts after they were handed over, each thing once. A notice that nothing else was heard of has a
-- row with cohort 0, so that whoever writes anything of it finds the row, and the receipts.
create table receipts (
    at       timestamptz not null, -- when it happened
    attempt  smallint not null,    -- its number; 0 = not said
    channel  smallint not null,    -- core.channel
    kind     smallint not null,    -- core.receipts.ReceiptKind
    reason   smallint not null,    -- core.receipts.ReceiptReason
    notice   bytea not null,
    primary key (notice, attempt, channel, kind, at, reason)
);

-- What somebody said of attempts, until its notice is known: written before it is acknowledged, gone once it is among the
-- receipts. What names a notice that nobody ever hears of stays.
create table inbox (
    came     timestamptz not null,
    due      timestamptz not null, -- when its notice is looked for, the next time
    at       timestamptz not null, -- as in `receipts`, like the others
    attempt  smallint not null,
    channel  smallint not null,
    kind     smallint not null,
    reason   smallint not null,
    named    bytea not null,       -- a notice, or what its reference says: 16 bytes, or 10
    primary key (named, attempt, channel, kind, at, reason)
);

create index inbox_due on inbox (due);

-- Messages of the portal whose readers are waited for, a row a block.
create table unread (
    at          timestamptz not null, -- when they were accepted
    number      bigint generated always as identity primary key,
    incident_id text not null,
    attempts    smallint[] not null,
    notices     bytea not null     -- their ids, one after the other
);

create index unread_of_incident on unread (incident_id, at);

-- The highest totals heard of every other stage.
create table stage_totals (
    scope    text collate "C" not null,
    stage    text not null,
    source   text not null,
    sequence bigint not null,
    counts   jsonb not null,       -- counter -> count
    first_at timestamptz not null, -- when the source counted its first
    primary key (scope, stage, source)
);

-- Which channels and partitions have reported what had begun when a cohort was paused.
create table pauses (
    partition   int not null,
    channel     smallint not null, -- core.channel
    incident_id text not null,
    pause_id    text not null,
    primary key (incident_id, pause_id, channel, partition)
);

-- What had begun.
create table begun (
    attempt     int not null,
    channel     smallint not null, -- core.channel
    notice      bytea not null,
    incident_id text not null,
    pause_id    text not null,
    primary key (incident_id, pause_id, notice, attempt)
);

-- Attempts that a provider refused, so that each is counted once whatever is replayed. Figures are in `totals`.
create table refusals (
    cohort  int not null,
    attempt int not null,
    channel smallint not null, -- core.channel
    notice  bytea not null,
    primary key (notice, attempt)
);

-- Where stop rules stand with a cohort. Cohorts without a row are counted from their beginning, and no rule stopped them.
create table stops (
    counted_from int not null,  -- the cohort's version from which is counted
    scope        text collate "C" primary key, -- "incident/cohort"
    before       jsonb not null, -- what the figures were then, by name
    found        jsonb          -- what was raised since; null = nothing
);
