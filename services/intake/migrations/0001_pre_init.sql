-- Incidents and cohorts as they stand, members and rejected records as they are counted. No personal data in the open:
-- members are keyed hashes; of a rejected record only where it stood and why; memberRefs are sealed.

create table incidents (
    incident_id text primary key,
    version     int not null,
    document    bytea not null, -- JSON in its normal form
    changed_at  timestamptz not null,
    key_versions jsonb not null, -- by purpose: which key its hashes are made with, from its first version on
    matching    smallint not null default 0, -- 0 = nobody came on a match key alone; 1 = `matches` is being filled; 2 = it is there
    matched_to  bytea not null default '',   -- while it is filled: the last member that is in it
    paused_by   text                         -- the principal that paused all its cohorts; null = nobody did
);

-- Every version, for evidence of what was decided with what.
create table incident_versions (
    incident_id text not null,
    version     int not null,
    document    bytea not null,
    changed_at  timestamptz not null,
    reissued    boolean not null default false, -- notices that waited were to follow it
    primary key (incident_id, version)
);

-- The change of its document that was asked for last, where an incident has four eyes. It is no version until somebody
-- else has approved it.
create table asked_changes (
    incident_id text primary key references incidents,
    number      int not null,   -- which of the incident's it is
    version     int not null,   -- of the incident, when it was asked for; with another one it has lapsed
    document    bytea not null, -- JSON in its normal form
    reissue     boolean not null,
    asked_at    timestamptz not null,
    asked_by    text not null,  -- principals
    approved_by text            -- null = nobody (yet)
);

create table cohorts (
    incident_id  text not null references incidents,
    cohort_id    text not null,
    number       int generated always as identity unique, -- what rows of members carry: 4 bytes, not two names
    version      int not null,
    source       text not null,
    declared     bigint,  -- null = the source did not say
    auto_release boolean not null,
    sealed       boolean not null,
    released     boolean not null,
    changed_at   timestamptz not null,
    release_after bigint[] not null, -- of each partition: the last block of members when it was released
    release_asked_by    text, -- principals; null = nobody (yet). A release asked for waits for somebody else's approval
    release_approved_by text,
    asked_canary  bigint,      -- what was asked for, as canary and per_day
    asked_per_day bigint,
    cancelled    boolean not null default false,
    paused_since int not null default 0,  -- the version that paused it; 0 = it is not paused
    resumed_after bigint[] not null default '{}', -- as release_after, of the end of its last pause
    canary       bigint,  -- the release lets go so many in all,
    per_day      bigint,  -- or so many a day; neither = everything
    word_group   text not null default '', -- whose variants of the words its people read
    paused_by    text,   -- a principal, or the rule; null = it is not paused, or as its incident is
    stopped      jsonb,  -- what a stop rule found, while that pause lasts
    counted_from int not null default 0,      -- the version from which stop rules count; 0 = the first
    figures        bigint[] not null default '{0,0,0}', -- core.cohort.Figures: what people count by hand, in all so far
    figures_before bigint[] not null default '{0,0,0}', -- the same when stop rules began to count
    primary key (incident_id, cohort_id)
);

-- What the accepted members of a cohort use of their incident's texts. It only grows: what a correction takes away stays.
create table uses (
    cohort     int primary key, -- its number
    categories bigint not null, -- a mask, as facts have it
    languages  text[] not null, -- primary subtags: there are few of them, whatever a source sends
    certainties text[] not null -- of their records: confirmed, possible
);

-- Who did what, for as long as the incident is kept. The request's id stands in the audit line too; of an event it is
-- where it stands in its topic.
create table acts (
    number      bigint generated always as identity primary key,
    done_at     timestamptz not null,
    principal   text not null,
    act         text not null,
    incident_id text not null,
    cohort_id   text,
    version     int,          -- of the incident or cohort, as the act made it
    upload      bigint unique, -- what members carry that were sent by it
    request_id  text not null,
    member      bytea,        -- the record that it took back
    detail      jsonb         -- what was asked for, or why
);

create index acts_by_incident on acts (incident_id, number);
-- Whether anything of an incident was ever let go: events leave acts by the million, permissions by the handful.
create index acts_of_permission on acts (incident_id)
    where act in ('auto-release-set', 'cohort-released', 'cohort-approved');

-- Widest first: no padding in ten million rows.
create table members (
    upload    bigint not null, -- the upload (a random number) that said this last: within one, other content is a mistake, not a correction
    version   int not null,
    cohort    int not null,
    contact_since int not null, -- the first version with the contact data that it has now
    ref_block int not null,    -- where its memberRef lies: found there by `member`, which is a keyed hash of it
    member    bytea primary key,
    pseudonym bytea not null,
    content   bytea not null,  -- keyed hashes of contact data and of the rest: same or corrected; empty = withdrawn
    likeness  bytea not null   -- keyed hash of the match key, then witnesses; empty = the match key is not whole
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

-- MemberRefs, sealed: those of all members and rejected records that one chunk changed, side by side, with their lines.
-- Only intake can open them. A row for each person, sealed by itself, would cost more than all else about the person.
create table reference_blocks (
    number int generated always as identity primary key,
    cohort int not null, -- its number
    sealed bytea not null
) with (toast.autovacuum_vacuum_insert_threshold = 10000000); -- services/kit/README.md
-- Sealed data does not get smaller.
alter table reference_blocks alter column sealed set storage external;

-- What the records with one match key say of who they are about. Empty for incidents in which everybody has a number.
create table matches (
    match    bigint primary key, -- keyed hash of the match key
    cohort   int not null,       -- of the first of them: what is kept of an incident can be found
    profiles bytea[] not null    -- each a pseudonym and witnesses; what was said stays, corrected or not
) with (autovacuum_vacuum_insert_threshold = 10000000, autovacuum_analyze_scale_factor = 1); -- services/kit/README.md

-- The identity under which everything about somebody meets, of pseudonyms that were ever tied to another.
create table homes (
    version     int not null,  -- 0 = it is its own home, and always was
    incident_id text not null,
    pseudonym   bytea not null,
    home        bytea not null,
    primary key (incident_id, pseudonym)
);

create index homes_by_home on homes (incident_id, home);

-- Two identities that are, may be, or are not the same person's, with the evidence.
create table ties (
    number      bigint generated always as identity primary key,
    cohort      int not null,    -- of the record
    incident_id text not null,
    state       text not null,   -- proposed, made, refused, undone
    fields      text[] not null, -- those that agree
    matched     bytea not null,  -- the pseudonym of a match key
    numbered    bytea not null,  -- the pseudonym of a number
    record      bytea not null,  -- the member that showed it
    decided_at  timestamptz not null,
    decided_by  text,            -- the principal; null = the rule
    unique (incident_id, matched, numbered)
);

create index ties_by_number on ties (incident_id, numbered);

-- What operators said of records that were looked at: they are one person's, or each is another person's. Of two records
-- the last one holds.
create table judgements (
    number      bigint generated always as identity primary key,
    incident_id text not null,
    people      text not null,     -- one, different
    evidence    text not null,     -- what it rests on: a word of identities.judgements.Evidence
    reference   text not null,     -- of the file that says more; empty = none. Nothing personal
    decided_at  timestamptz not null,
    decided_by  text not null,     -- the principal
    undone_at   timestamptz,       -- null = it stands
    undone_by   text
);

create index judgements_by_incident on judgements (incident_id, number);

-- The records that were looked at.
create table judged (
    judgement bigint not null references judgements,
    version   int not null,        -- that was seen
    cohort    int not null,
    member    bytea not null,
    witnesses bytea not null,      -- of that version; empty = they are not known
    primary key (judgement, member)
);

create index judged_by_member on judged (member);

create table rejections (
    record      bytea primary key, -- member id: a line without a memberRef is nobody's, and stands nowhere
    cohort      int not null,
    line        bigint not null,
    ref_block   int not null,      -- where its memberRef lies
    fields      text[] not null,   -- '*' = the record as a whole
    problems    text[] not null,
    rejected_at timestamptz not null,
    withdrawn   boolean not null default false -- then it is not rejected, but accepted and discarded
);

create index rejections_by_cohort on rejections (cohort, line);

-- Members of which deduplication said that their source has work: they are held, or told apart from others. What it
-- said last of a member stays for as long as a word can come late, so that it is known to be old. And members whose
-- letter cannot be printed, as routing says.
create table unsettled (
    sequence  bigint not null,  -- of deduplication's blocks, over all partitions
    cohort    int not null,
    ref_block int not null,     -- as it was then: the order of the list, which opens each block of memberRefs once
    version   int not null,     -- of the member
    unprinted int not null,     -- the version whose letter could not be printed, or came back; 0 = none
    reason    smallint not null, -- core.unsettled.Unsettled; 0 = no more
    incident_id text not null,
    member    bytea primary key,
    pseudonym bytea not null,   -- of that version of the member
    since     timestamptz not null, -- of `reason`; of none, when that was said last
    came_back timestamptz,      -- since when that is so
    why       text not null,    -- why it came back, as routing says it; empty = the letter cannot be printed
    fields    text[] not null   -- the names of the fields that keep it from being printed
);

create index unsettled_by_cohort on unsettled (cohort, ref_block, member) where reason > 0 or unprinted > 0;
create index unsettled_no_more on unsettled (since) where reason = 0 and unprinted = 0;
-- Who of an incident contradicts others; and who else is listed with the same identity, which has the incident in it.
create index unsettled_conflicts on unsettled (incident_id, pseudonym) where reason in (3, 4, 5);
create index unsettled_by_identity on unsettled (pseudonym) where reason > 0;

-- Answers by Idempotency-Key, so that the same key gives the same answer.
create table answers (
    key         bytea primary key, -- keyed hash of path and key: what clients put in keys is theirs
    body        bytea not null,    -- keyed hash of the body
    status      int not null,
    answer      bytea not null,    -- JSON
    answered_at timestamptz not null
);

create index answers_by_age on answers (answered_at);

-- CloudEvents that were taken: source and id, hashed together.
create table events (
    event    bytea primary key, -- keyed hash
    taken_at timestamptz not null
);

create index events_by_age on events (taken_at);

-- Synthetic people on their way through all rooms. Each is gone, with its member, once it has arrived, or a day later.
create table synthetic (
    sent_at   timestamptz not null,
    page      bigint not null,     -- of the vault: where its data lies
    partition int not null,        -- that it goes through
    channel   smallint not null,   -- core.channel
    lost      boolean not null default false, -- it should have arrived
    member    bytea primary key
);

-- When the last synthetic person was sent, and its number: one row.
create table synthetic_turns (
    at     timestamptz not null,
    number bigint not null,        -- from 0; it says partition and channel
    sole   boolean primary key default true check (sole)
);
