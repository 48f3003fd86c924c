-- What is to be handed over, and the last wall against telling somebody twice. No personal data: ids and masks.

create sequence batch_numbers as bigint;

-- Attempts that share one fate: of one channel, partition and incident version. The queue, the intent and the outcome
-- in one row; where fates part (one recipient is refused), the batch is split.
create table batches (
    batch      bigint primary key,
    at         timestamptz not null,    -- since when it is in its state; a print file is dated by it
    due        timestamptz not null,    -- taken, intent, refused and waiting: not before; unknown: since when
    partition  int not null,
    count      int not null,            -- its attempts
    channel    smallint not null,       -- core.channel
    state      smallint not null,       -- core.status.AttemptState
    tries      smallint not null,       -- how often the provider put it off
    job        bytea,                   -- the print file that its letters are in
    block      bytea not null,          -- its notices as columns: notification.v1.Notices
    trace      text                     -- what it follows from, where that is traced: traceparents with commas between
);

-- Ids and hashes do not get smaller: no time is spent on trying.
alter table batches alter column block set storage external;

-- What is not settled: taken (0), intent (1), unknown (4), refused and waiting (5), paused (7). Settled batches, nearly
-- all there are, are not in it.
create index batches_open on batches (channel, partition, state, due) where state in (0, 1, 4, 5, 7);

-- Letters that the print house rejected, and that nobody decided about.
create index batches_unprinted on batches (job) where state = 11;

-- A row for every attempt to hand one notice to one provider, letters too: what is here is not begun again.
create table attempts (
    batch      bigint not null,         -- its state is its batch's
    attempt    smallint not null,       -- its number, from 1
    notice     bytea not null,
    primary key (notice, attempt)
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

-- Print files of one partition, handling and day: the print house gets a total of them, and calls them a job. Its owner
-- opens and closes it; whoever takes the partition over goes on with it.
create table print_runs (
    run        text primary key,
    day        date not null,           -- in the Netherlands
    at         timestamptz not null,    -- since when it is in its state; open: when the latest file was done
    partition  int not null,
    number     int not null,            -- in its day, from 1
    handling   smallint not null,       -- 0 normal, 1 secret
    state      smallint not null,       -- 0 open, 1 closing: its total stays as it is, 2 closed: the print house has it
    unique (day, partition, handling, number)
);

create unique index print_runs_open on print_runs (partition, handling, day) where state = 0;
create index print_runs_unclosed on print_runs (partition) where state in (0, 1);

-- Print files: what is not done yet keeps its run from being closed. And what the print house said of all letters of one:
-- each thing with its earliest time, so that whatever order it is heard in comes to the same.
create table print_files (
    done_at    timestamptz,
    had_since  timestamptz,             -- when it was heard here that the print house has it
    acknowledged_at timestamptz,        -- as the print house says, like the next two
    posted_at  timestamptz,
    rejected_at timestamptz,            -- of several things said a rejection holds
    job        bytea primary key,
    run        text not null,
    position   int,                     -- in its run, from 1, in the order in which they were done; null = not done
    letters    int not null default 0,
    pages      int not null default 0,
    sheets     int not null default 0,
    digest     bytea,                   -- SHA-256 of the file
    reason     text                     -- of the rejection: a word of print_answers.REASONS
);

create index print_files_of_run on print_files (run, position);
create index print_files_unanswered on print_files (done_at)
where position is not null and acknowledged_at is null and posted_at is null and rejected_at is null;

-- Who had rejected attempts made again, or gave them up. For good: few, and people ask for it.
create table print_acts (
    number     bigint generated always as identity primary key,
    at         timestamptz not null,
    letters    int not null,
    act        text not null,           -- core.access.Act
    job        text not null,           -- a print run, a print file, or `<channel>/<incident>`
    principal  text not null,
    request_id text not null,           -- it stands in the audit line too
    after      bigint[],                -- of intake's blocks of members, by partition: those that were written by then
    even_if_posted boolean not null default false
);

-- Rejected batches that an operator decided about, until all is known that was acknowledged before: then they are made
-- again or given up, and their rows go.
create table decided (
    batch      bigint primary key,
    act        bigint not null,         -- print_acts.number
    partition  int not null,
    channel    smallint not null
);

create index decided_in_order on decided (channel, partition, act, batch);

-- Refusals that were taken back, as the provider was ill: whom its illness hit, and when. For people to read.
create table taken_back (
    at         timestamptz not null,
    channel    smallint not null,       -- core.channel
    attempt    smallint not null,
    notice     bytea not null
);

-- Whom each channel hands over to. What was begun before is known to another provider, who alone could say how it ended.
create table providers (
    since      timestamptz not null,
    channel    smallint primary key,    -- core.channel
    provider   text not null,
    before     text not null default '' -- to whom it handed over before that
);

-- Attempts whose answer was lost and that the provider, when it was asked, did not know: each may have been handed over
-- again after that. For people to read.
create table absent (
    at         timestamptz not null,    -- when it was asked
    channel    smallint not null,       -- core.channel
    attempt    smallint not null,
    notice     bytea not null
);

-- Notices that must not begin any more, as each channel knows of it: what is not here yet is stopped when it comes. An
-- answered row goes once no block of recalls can be heard again; an open one stays.
create table recalls (
    at          timestamptz not null,   -- when it was looked at last, or answered
    partition   int not null,
    channel     smallint not null,      -- core.channel
    state       smallint not null,      -- recalls.Answering
    notice      bytea not null,
    pseudonym   bytea not null,
    incident_id text not null,
    primary key (notice, channel)
);

-- What is still to be answered.
create index recalls_open on recalls (channel, partition, state) where state in (0, 1);
create index recalls_answered on recalls (channel, at) where state = 2;

-- How far deduplication knows intake's blocks: all that they call back has been heard here. What a pause held back waits
-- until that is as far as intake had come when the pause ended.
create table known (
    up_to       bigint[] not null,      -- of intake's blocks of members, by partition
    partition   int not null,
    channel     smallint not null,      -- core.channel
    primary key (channel, partition)
);

-- Pauses of cohorts that were seen in a partition; what had begun by then is reported once.
create table pauses (
    partition   int not null,
    channel     smallint not null,
    reported    boolean not null default false,
    incident_id text not null,
    pause_id    text not null,
    cohort_id   text not null,
    primary key (incident_id, pause_id, channel, partition)
);

-- Attempts that had begun when a pause of a cohort came whose facts they name, as their hand-over ended.
create table begun (
    partition   int not null,
    channel     smallint not null,
    attempt     smallint not null,
    notice      bytea not null,
    incident_id text not null,
    pause_id    text not null,
    primary key (incident_id, pause_id, notice, attempt)
);

-- Turns that were let out to processes lately, in blocks: each lets one message go to a provider, soon or never. For as
-- long as they count (`rates.py`).
create table turns (
    at         timestamptz not null,    -- by this database's clock
    turns      int not null,
    provider   text not null
);

create index turns_by_provider on turns (provider, at);

-- How many turns were let out on a day, for a provider that takes so many a day. The days before go with each new one.
create table day_turns (
    day        date not null,           -- by this database's clock, in UTC
    turns      int not null,            -- less those that whoever had them gave back unused
    provider   text not null,
    primary key (provider, day)
);

-- Who paused a channel, and who let it go on; the latest act says how it stands. For good: few, and people ask for it.
create table acts (
    number     bigint generated always as identity primary key,
    at         timestamptz not null,
    channel    smallint not null,       -- core.channel
    act        text not null,           -- core.access.Act
    principal  text not null,
    request_id text not null            -- it stands in the audit line too
);

create index acts_by_channel on acts (channel, number);

-- Channels of a database that was set back to a backup, until an operator lets them go on: `heraut restored`.
create table restores (
    at         timestamptz not null,    -- when that was said last
    since      timestamptz not null,    -- the latest that the database knows of; what was handed over since, it does not
    channel    smallint primary key,    -- core.channel
    unread     boolean not null,        -- its provider's own files are still to be read: nothing begins before
    unnamed    int not null default 0,  -- finished print files of which nothing here says whose letters they have
    providers  text[] not null          -- whom it may have handed over to since
);

-- Letters that stand in print files which were finished before the database was set back, and that it knew nothing of:
-- they are settled when they come to the queue, and not printed again. For good: people ask for it.
create table found_letters (
    at         timestamptz not null,    -- when their file was made
    attempt    smallint not null,
    sent       boolean not null,        -- the print house has the file, or can fetch it; else nobody knows
    settled    boolean not null default false, -- an attempt was found for it here
    notice     bytea not null,
    job        bytea not null,          -- the print file
    primary key (notice, attempt)
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

create index found_letters_open on found_letters (notice) where not settled;
