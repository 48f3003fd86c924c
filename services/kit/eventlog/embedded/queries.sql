-- Named queries of the embedded log. Every list is an array parameter, so that one statement serves all partitions.

-- name: fetch
-- The next blocks of every wanted (topic, partition, source): at most $5 in all and about $6 bytes, at least
-- one, taken in turns so that no partition starves another. Sizes are read without fetching the blocks.
with wanted as (
  select * from unnest($1::text[], $2::int[], $3::text[], $4::bigint[]) with ordinality
    as wanted(topic, partition, source, taken, place)
), candidate as (
  select place, next.*
  from wanted cross join lateral (
    select log.topic, log.partition, log.source, log.seq, log.at, log.headers, log.block,
           row_number() over (order by log.seq) as turn
    from log.log as log
    where log.topic = wanted.topic and log.partition = wanted.partition
      and log.source = wanted.source and log.seq > wanted.taken
    order by log.seq
    limit $5
  ) as next
), measured as (
  select candidate.*, sum(octet_length(block)) over (order by turn, place) - octet_length(block) as before
  from candidate
)
select topic, partition, source, seq, (extract(epoch from at) * 1000)::bigint as at, headers, block
from measured
where before < $6
order by turn, place
limit $5;

-- name: is_more
-- Whether some wanted (topic, partition, source) was given blocks beyond those taken.
select exists (
  select from unnest($1::text[], $2::int[], $3::text[], $4::bigint[]) as wanted(topic, partition, source, taken)
  join log.head as head using (topic, partition, source)
  where head.last_seq > wanted.taken
);

-- name: ends
-- The last sequence given of every wanted (topic, partition, source).
select wanted.topic, wanted.partition, wanted.source, head.last_seq
from unnest($1::text[], $2::int[], $3::text[]) as wanted(topic, partition, source)
join log.head as head using (topic, partition, source);

-- name: last_sequence
-- The last block of one source that stands in the log.
select max(log.seq)
from log.log as log
where log.topic = $1 and log.partition = $2 and log.source = $3;

-- name: note_progress
-- How far a stage has read, for retention; never backwards. What a crash of the server forgets of it is written again, so
-- nobody waits for its flush.
insert into log.reader as reader (stage, topic, partition, source, taken)
select $1, read.topic, read.partition, read.source, read.taken
from unnest($2::text[], $3::int[], $4::text[], $5::bigint[]) as read(topic, partition, source, taken)
cross join (select set_config('synchronous_commit', 'off', true)) as unhurried
order by read.topic, read.partition, read.source
on conflict (stage, topic, partition, source) do update
set taken = excluded.taken where reader.taken < excluded.taken;

-- name: list_dead_letters
-- The first dead letters of these topics behind one place, which need not be there.
select log.topic, log.partition, log.source, log.seq, (extract(epoch from log.at) * 1000)::bigint as at,
       log.headers, log.block
from log.log as log
where log.topic = any($1::text[]) and (log.topic, log.partition, log.seq) > ($3::text, $4::int, $5::bigint)
order by log.topic, log.partition, log.seq
limit $2;

-- name: dead_letter
-- One dead letter; its topic has a single source.
select log.topic, log.partition, log.source, log.seq, (extract(epoch from log.at) * 1000)::bigint as at,
       log.headers, log.block
from log.log as log
where log.topic = $1 and log.partition = $2 and log.seq = $3;

-- name: take_dead_letter
-- The same, out of its topic.
delete from log.log as log
where log.topic = $1 and log.partition = $2 and log.seq = $3
returning log.topic, log.partition, log.source, log.seq, (extract(epoch from log.at) * 1000)::bigint as at,
          log.headers, log.block;

-- name: purge_dead_letters
-- Those of one partition up to and with one.
delete from log.log as log
where log.topic = $1 and log.partition = $2 and log.seq <= $3;
