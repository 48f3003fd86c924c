-- The state of every peer: who is to be told, and who was.
create table notices (
    person uuid primary key,
    member text not null,
    record text -- where letters are made from the row, and not from what moves
);

create table deliveries (
    person uuid primary key,
    member text not null,
    told_at timestamptz not null default now()
);
