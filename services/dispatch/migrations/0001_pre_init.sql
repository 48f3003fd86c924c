-- A row for every attempt to hand one notice to one provider: the queue, the intent and the outcome in one place,
-- and the last wall against telling somebody twice. No personal data: ids, masks, and words of the incident.

create table attempts (
    notice            bytea not null,
    accepted_at       bigint not null,      -- ms since 1970: when intake accepted the member
    exposed           bigint not null,      -- facts, as in core.facts
    confirmed         bigint not null,
    told_exposed      bigint not null,      -- what the notices before said
    told_confirmed    bigint not null,
    at                timestamptz not null, -- since when it is in its state; a print batch is dated by it
    due               timestamptz not null, -- taken, intent: not before; unknown: since when
    incident_version  int not null,
    member_version    int not null,
    revision          int not null,
    partition         int not null,
    attempt           smallint not null,    -- its number, from 1
    channel           smallint not null,    -- core.channel
    channels          smallint not null,    -- those that there is data for
    tried             smallint not null,    -- those that refused before this one
    flags             smallint not null,
    state             smallint not null,    -- core.status.AttemptState
    tries             smallint not null,    -- how often the provider put this one off
    member            bytea not null,       -- with version and pseudonym: whose sealed data it is
    pseudonym         bytea not null,
    supersedes        bytea not null,       -- the notice before; empty for a first one
    incident_id       text not null,
    cohort_id         text not null,
    language          text not null,
    batch             bytea,                -- the print batch that it is in
    primary key (notice, attempt)
);

-- What is not settled: taken (0), intent (1), unknown (4). Settled rows, nearly all there are, are not in it.
create index attempts_open on attempts (channel, partition, state, due) where state in (0, 1, 4);
