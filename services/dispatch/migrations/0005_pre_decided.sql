-- What operators decide about rejected attempts takes effect once all is known that was acknowledged before it.

alter table print_acts add column after bigint[]; -- of intake's blocks of members, by partition: those that were written by then; null = it took effect at once
alter table print_acts add column even_if_posted boolean not null default false;

create table decided (
    batch      bigint primary key,
    act        bigint not null,         -- print_acts.number
    partition  int not null,
    channel    smallint not null
);

create index decided_in_order on decided (channel, partition, act, batch);
