-- Who was told what, and who waits for what. No personal data: persons and members are keyed hashes.

-- Rows carry numbers in place of names: ten million of them.
create table incidents (
    number      int generated always as identity primary key,
    incident_id text not null unique
);

create table cohorts (
    number    int generated always as identity primary key,
    incident  int not null references incidents,
    cohort_id text not null,
    unique (incident, cohort_id)
);

-- The highest version of each member, where it stands, and what it waits for. Widest first: no padding.
-- The key finds all members of a person by its beginning, so that a new person costs one entry in one index. Two who
-- decide about one person at once give the same place twice: nobody is claimed twice.
create table members (
    accepted_at bigint not null,   -- ms since 1970: when it was first heard of
    exposed     bigint not null,
    confirmed   bigint not null,
    slot        bigint not null,   -- of the vault: where this version's data lies
    incident    int not null,
    cohort      int not null,
    version     int not null,
    told_with   int not null,      -- the told group of its pseudonym that it stays with; 0 = of none
    nth         smallint not null, -- its place among the members of its person, from 0
    partition   smallint not null, -- of the log: whose owner may touch the row
    channels    smallint not null,
    flags       smallint not null,
    outcome     smallint not null, -- domain.Outcome
    waits       smallint not null, -- domain.Waits
    usable      smallint not null, -- the incident's channels that it was decided with, while it waits
    conflict    boolean not null,  -- others have its pseudonym, and are somebody else
    joined      boolean not null,  -- it is bare, and one person with others by its identity alone
    person      bytea not null,    -- the pseudonym that is its home: of one person, or of several who contradict each other
    member      bytea not null,
    witnesses   bytea not null,    -- core.witnesses
    language    text not null,
    notice      bytea,             -- the first notice of its pseudonym, where that is as this row says and has no row
    merged_into bytea,             -- the member that bears the notice for this one
    pseudonym   bytea,             -- that its data is sealed for, where the person is at home under another one
    contact_since int,             -- the version that brought its contact data, where that is an earlier one
    primary key (incident, person, nth)
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

-- Whom a release or a change of channels may set free; empty when nobody waits.
create index members_waiting on members (cohort, waits, usable, partition) where waits > 0;

-- Notices that were released, but for first ones that follow from their bearer's row; a person is claimed by the row of
-- either. The groups of one pseudonym that were told are numbered from 1, in the order in which they were told.
create table notices (
    exposed    bigint not null, -- everything told up to this revision
    confirmed  bigint not null,
    incident   int not null,
    told_group int not null,
    revision   int not null,
    version    int not null,    -- the bearer's version, whose contact data is used
    course     smallint not null default 0,    -- domain.Course
    void       boolean not null default false, -- nobody was told by it: the bearer is somebody else, or it was stopped
    person     bytea not null,
    notice     bytea not null,
    bearer     bytea not null,
    supersedes bytea,
    through    smallint,        -- the partition that it went through, where its person is at home in another one now
    primary key (incident, person, told_group, revision)
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

-- All notices that were released, whichever row says so: for whoever looks by hand.
create view told with (security_invoker = true) as
select incident, person, told_group, revision, notice, bearer, version, exposed, confirmed, void from notices
union all
select incident, person, 1, 1, notice, member, version, exposed, confirmed, false from members where notice is not null;

-- The homes of pseudonyms that were ever tied to another. Whoever changes one holds the incident's advisory lock for
-- itself; whoever reads people shares it.
create table homes (
    incident  int not null,
    version   int not null,
    pseudonym bytea not null,
    home      bytea not null,
    before    bytea[] not null, -- the homes that it had
    primary key (incident, pseudonym)
);

-- What operators said last of two records: one person's, or different people's. Each was seen as a version, and as its
-- witnesses (empty = they are not known).
create table judgements (
    number          bigint not null,  -- intake's: of two records the highest holds
    incident        int not null,
    one_version     int not null,
    other_version   int not null,
    are_one         boolean not null,
    undone          boolean not null, -- it is said no more
    one             bytea not null,   -- the lower id
    other           bytea not null,
    one_witnesses   bytea not null,
    other_witnesses bytea not null,
    primary key (incident, one, other)
);

-- What went under a limit: of a cohort (a canary, a pace), of an incident or of one of its channels. Owners of different
-- partitions take from one row.
create table quotas (
    incident int not null references incidents,
    cohort   int not null,      -- 0 = the incident as a whole
    channel  smallint not null, -- that the notices take first; 0 = whichever
    total    bigint not null,
    day      date not null,     -- the calendar day in the Netherlands on which the last one went
    today    bigint not null,   -- how many went on it
    primary key (incident, cohort, channel)
);

-- Turns of canaries: which notice took one of which cohort's. One that was stopped gives it back, once.
create table turns (
    incident int not null references incidents,
    cohort   int not null,
    notice   bytea not null,
    primary key (incident, notice, cohort)
);

-- How far intake's blocks were said to be known, in each partition, to what waits for that after a pause.
create table announced (
    at        timestamptz not null, -- when it was said last
    up_to     bigint[] not null,    -- by partition
    partition int primary key
);

-- Of blocks of `members.held`, over all partitions: a member's home may change to another one.
create sequence held_numbers as bigint;
