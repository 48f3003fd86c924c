-- Who was given up, and who has a new address: what a new attempt is made from. No personal data: ids, masks, places in
-- the vault. A notice that goes its way has no row here.

-- Notices for which no channel was left, or whose letter cannot be printed, as they were when they were given up.
create table exhausted (
    attempt  smallint not null,  -- the last that was made; 0 = none was
    version  int not null,       -- the bearer's, whose contact data was used
    answered boolean not null,   -- a new attempt was made since
    notice   bytea primary key,
    reason   text not null,      -- why: of a letter that cannot be printed, or that a channel is closed; empty = none was left
    block    bytea not null      -- the notice as a block of one: notification.v1.Notices
);

-- The bearers of notices whose contact data was corrected after the release, as they are now.
create table addresses (
    slot     bigint not null,    -- of the vault: where this version's data lies
    version  int not null,
    since    int not null,       -- the first version with this contact data: older ones had other data
    channels smallint not null,
    flags    smallint not null,
    notice   bytea primary key,
    language text not null
);

-- Contact data by which something came back: nobody is told by it again on these channels. Newer data of the same member
-- is tried. Rows stay: a supplement may come much later.
create table came_back (
    version  int not null,       -- of the member: the highest whose contact data came back there
    channels smallint not null,
    member   bytea not null,
    reason   text not null,      -- why, as dispatch gave it back: core.receipts
    primary key (member, channels)
);

-- Notices that must not begin any more, and that were not given up yet: one that is, is stopped here. A row that is over
-- goes once no block of recalls can be heard again; an open one stays.
create table recalls (
    over_since  timestamptz,       -- since when it is known how it ended; null = it is not
    partition   int not null,
    notice      bytea primary key,
    pseudonym   bytea not null,
    incident_id text not null
);

create index recalls_over on recalls (over_since) where over_since is not null;
