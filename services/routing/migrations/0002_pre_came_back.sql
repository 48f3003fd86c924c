-- Contact data by which something came back: no later notice goes by it again on these channels.

create table came_back (
    version  int not null,       -- of the member: the highest whose contact data came back there
    channels smallint not null,
    member   bytea not null,
    reason   text not null,      -- why, as dispatch gave it back: core.receipts
    primary key (member, channels)
);
