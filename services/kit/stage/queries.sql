-- Named queries of the stage. `log.*` is shared by all rooms; every other table is the room's own, found on the
-- search path. Locks are taken in one order everywhere: owner, input, effects by key, shared rows by key, heads.

-- name: move_totals
-- Add to the totals of a source; rows of $4 counters each lie one after the other in $3. A row that was written
-- with fewer counters than there are now grows.
insert into totals as total (scope, source, sequence, counts, first_at)
select change.scope, $1::text, 1, ($3::bigint[])[(change.place - 1) * $4::int + 1 : change.place * $4::int],
       clock_timestamp()
from unnest($2::text[]) with ordinality as change(scope, place)
order by change.scope
on conflict (scope, source) do update
set sequence = total.sequence + 1,
    counts = (
      select array_agg(coalesce(pair.old, 0) + coalesce(pair.more, 0) order by pair.place)
      from unnest(total.counts, excluded.counts) with ordinality as pair(old, more, place)
    )
returning total.scope, total.sequence, total.counts, (extract(epoch from total.first_at) * 1000)::bigint;

-- name: sum_totals
-- What all sources together counted of the scopes that begin so. A row that was written with fewer counters than there
-- are now is shorter.
select total.scope, counted.place::int, sum(counted.count)::bigint as count
from totals as total
cross join unnest(total.counts) with ordinality as counted(count, place)
where starts_with(total.scope, $1)
group by total.scope, counted.place;

-- name: open_owners
-- Make the rows of partitions that nobody owned yet.
insert into owner (stage, partition, epoch)
select $1::text, partition, 0 from generate_series(0, $2::int - 1) as partition
on conflict (stage, partition) do nothing;

-- name: renew
-- Prolong all leases of this holder; a partition that is not among the rows returned has been lost. What a crash of the
-- server forgets of it lets a lease run out early, which epochs bear: so nobody waits for its flush.
update owner set lease_until = clock_timestamp() + make_interval(secs => $3::float8)
from (select set_config('synchronous_commit', 'off', true)) as unhurried
where stage = $1 and holder = $2
returning partition, epoch;

-- name: be_seen
-- Count this holder among the replicas for as long as a lease; return how many there are. Replicas that are long gone
-- are deleted. Nobody waits for its flush.
with seen as (
  insert into replica (stage, holder, seen_until)
  select $1, $2, clock_timestamp() + make_interval(secs => $3::float8)
  from (select set_config('synchronous_commit', 'off', true)) as unhurried
  on conflict (stage, holder) do update set seen_until = excluded.seen_until
), gone as (
  delete from replica
  where stage = $1 and holder <> $2 and seen_until < clock_timestamp() - make_interval(secs => $3::float8)
)
select count(*) + 1 from replica where stage = $1 and holder <> $2 and seen_until > clock_timestamp();

-- name: leases
-- Every partition's lease, as the database's clock sees it.
select partition, holder, coalesce(holder is not null and lease_until > clock_timestamp(), false) as live, epoch
from owner
where stage = $1 and partition < $2
order by partition;

-- name: acquire
-- Take leases that nobody holds; rows that another replica is taking at this moment are left to it.
with free as (
  select stage, partition from owner
  where stage = $1 and partition = any($4::int[])
    and (holder is null or lease_until is null or lease_until <= clock_timestamp())
  order by partition
  for no key update skip locked
)
update owner set holder = $2, lease_until = clock_timestamp() + make_interval(secs => $3::float8)
from free where owner.stage = free.stage and owner.partition = free.partition
returning owner.partition, owner.epoch;

-- name: release
-- Give leases away.
update owner set holder = null, lease_until = null
where stage = $1 and holder = $2 and partition = any($3::int[]);

-- name: leave
-- Give all leases of this holder away and count it among the replicas no more.
with gone as (delete from replica where stage = $1 and holder = $2)
update owner set holder = null, lease_until = null where stage = $1 and holder = $2;

-- name: fence
-- Read the epochs, and keep them as they are until the transaction ends. A take-over waits for that; renewing a lease
-- does not.
select partition, epoch from owner
where stage = $1 and partition = any($2::int[])
order by partition
for key share;

-- name: set_lock_timeout
-- For this transaction only.
select set_config('lock_timeout', $1, true);

-- name: lock_owners
-- Wait for every transaction that has read these epochs with `fence`.
select partition from owner where stage = $1 and partition = any($2::int[]) order by partition for update;

-- name: next_epoch
-- Begin an epoch where the lease is (still) ours.
update owner set epoch = epoch + 1
where stage = $1 and holder = $2 and partition = any($3::int[]) and lease_until > clock_timestamp()
returning partition, epoch;

-- name: end_blockers
-- End the sessions of this room that the session $1 waits for. A migration that locks the table is left alone.
select pg_terminate_backend(pid) from pg_stat_activity
where pid = any(pg_blocking_pids($1::int)) and application_name = current_setting('application_name');

-- name: open_input
-- Insert the positions that are missing: at a stage's first start, or for a topic that it did not read before.
insert into input (stage, topic, partition, next_offset, taken)
select $1::text, place.topic, place.partition, 0, '{}'
from unnest($2::text[], $3::int[]) as place(topic, partition)
order by place.topic, place.partition
on conflict (stage, topic, partition) do nothing;

-- name: read_input
-- The positions of these partitions.
select topic, partition, next_offset, taken from input where stage = $1 and partition = any($2::int[]);

-- name: read_taken
-- The last sequence of one source that was taken of these partitions of a topic.
select partition, (taken ->> $3)::bigint as taken
from input
where stage = $1 and topic = $2 and partition = any($4::int[]) and taken ? $3;

-- name: is_held
-- Whether a process holds a partition of this room.
select exists (select from owner where holder is not null and lease_until > clock_timestamp());

-- name: taken_beyond
-- Where more was taken of a source than it was ever given: its blocks are of after a backup that the database is of.
select input.stage, input.topic, input.partition, taken.key as source, taken.value::bigint as taken,
       coalesce(head.last_seq, 0) as given
from input
cross join lateral jsonb_each_text(input.taken) as taken
left join log.head as head
  on head.source = taken.key and head.topic = input.topic and head.partition = input.partition
where taken.value::bigint > coalesce(head.last_seq, 0)
order by input.stage, input.topic, input.partition
limit 1;

-- name: read_heads
-- The last sequences that a source was given in these partitions.
select topic, partition, last_seq from log.head where source = $1 and partition = any($2::int[]);

-- name: read_sources
-- The last sequences that all sources were given in these partitions of these topics.
select topic, partition, source, last_seq from log.head where topic = any($1::text[]) and partition = any($2::int[]);

-- name: read_published
-- Up to which sequence each topic of these partitions has been published.
select topic, partition, published from publisher where stage = $1 and partition = any($2::int[]);

-- name: move_input
-- Compare and swap positions; the number of updated rows tells whether all of them stood where we thought.
update input set next_offset = move.next_offset, taken = move.taken
from unnest($2::text[], $3::int[], $4::bigint[], $5::jsonb[], $6::bigint[], $7::jsonb[])
  as move(topic, partition, old_offset, old_taken, next_offset, taken)
where input.stage = $1 and input.topic = move.topic and input.partition = move.partition
  and input.next_offset = move.old_offset and input.taken = move.old_taken;

-- name: unpublished
-- Read the rows after the last acknowledged sequence of each wanted (topic, partition): of each at most $5 rows and
-- about $6 bytes, but at least one row.
with wanted as (
  select * from unnest($2::text[], $3::int[], $4::bigint[]) as wanted(topic, partition, published)
), measured as (
  select next.*,
         sum(octet_length(next.block)) over (partition by next.topic, next.partition order by next.seq)
           - octet_length(next.block) as before
  from wanted cross join lateral (
    select log.topic, log.partition, log.seq, log.at, log.headers, log.block
    from log.log as log
    where log.topic = wanted.topic and log.partition = wanted.partition
      and log.source = $1 and log.seq > wanted.published
    order by log.seq
    limit $5
  ) as next
)
select topic, partition, seq, (extract(epoch from at) * 1000)::bigint as at, headers, block
from measured
where before < $6
order by topic, partition, seq;

-- name: read_published_of
-- Up to which sequence the rows of one place have been acknowledged.
select published from publisher where stage = $1 and topic = $2 and partition = $3;

-- name: mark_published
-- Note up to which sequence rows have been acknowledged; a lower number than the noted one changes nothing.
insert into publisher (stage, topic, partition, published)
select $1::text, acknowledged.topic, acknowledged.partition, acknowledged.published
from unnest($2::text[], $3::int[], $4::bigint[]) as acknowledged(topic, partition, published)
order by acknowledged.topic, acknowledged.partition
on conflict (stage, topic, partition) do update
set published = excluded.published where publisher.published < excluded.published;
