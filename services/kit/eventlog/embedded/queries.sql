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
-- How far a stage has read, for retention; never backwards.
insert into log.reader as reader (stage, topic, partition, source, taken)
select $1, read.topic, read.partition, read.source, read.taken
from unnest($2::text[], $3::int[], $4::text[], $5::bigint[]) as read(topic, partition, source, taken)
order by read.topic, read.partition, read.source
on conflict (stage, topic, partition, source) do update
set taken = excluded.taken where reader.taken < excluded.taken;

-- name: prune
-- Delete at most $5 blocks past their topic's retention that every stage which reads the topic has taken.
-- $1, $2: topics and how long they are kept; $3, $4: topics and the stages that read them.
with rule as (
  select * from unnest($1::text[], $2::interval[]) as rule(topic, keep)
), consumer as (
  select * from unnest($3::text[], $4::text[]) as consumer(topic, stage)
), done as (
  select head.topic, head.partition, head.source, rule.keep, coalesce(
    (select min(coalesce(reader.taken, 0))
     from consumer left join log.reader as reader
       on reader.stage = consumer.stage and reader.topic = head.topic
      and reader.partition = head.partition and reader.source = head.source
     where consumer.topic = head.topic),
    head.last_seq) as taken
  from log.head as head join rule using (topic)
), doomed as (
  select old.topic, old.partition, old.source, old.seq
  from done cross join lateral (
    select log.topic, log.partition, log.source, log.seq
    from log.log as log
    where log.topic = done.topic and log.partition = done.partition and log.source = done.source
      and log.seq <= done.taken and log.at < clock_timestamp() - done.keep
    order by log.seq
    limit $5
  ) as old
  limit $5
)
delete from log.log as log using doomed
where log.topic = doomed.topic and log.partition = doomed.partition
  and log.source = doomed.source and log.seq = doomed.seq;

-- name: prune_published
-- Delete at most $6 blocks of one source and partition that Kafka has acknowledged and that are past their retention.
delete from log.log as log using (
  select old.seq
  from log.log as old
  where old.topic = $1 and old.partition = $2 and old.source = $3
    and old.seq <= $4 and old.at < clock_timestamp() - $5::interval
  order by old.seq
  limit $6
) as doomed
where log.topic = $1 and log.partition = $2 and log.source = $3 and log.seq = doomed.seq;

-- name: list_dead_letters
-- The first dead letters of these topics.
select log.topic, log.partition, log.source, log.seq, (extract(epoch from log.at) * 1000)::bigint as at,
       log.headers, log.block
from log.log as log
where log.topic = any($1::text[])
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

-- name: replay_lock
-- One replay to Kafka at a time: its blocks are published in order. The key is of no other lock.
select pg_advisory_xact_lock(hashtext('heraut dlq replay'));

-- name: replayed
-- Blocks of the source `dlq` that Kafka has not acknowledged yet.
select log.seq, (extract(epoch from log.at) * 1000)::bigint as at, log.headers, log.block
from log.log as log
where log.topic = $1 and log.partition = $2 and log.source = $3
order by log.seq;

-- name: forget_replayed
-- They are acknowledged now.
delete from log.log as log
where log.topic = $1 and log.partition = $2 and log.source = $3 and log.seq <= $4;
