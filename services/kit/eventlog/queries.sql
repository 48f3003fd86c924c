-- Named queries of the log table: writing to it as the last statement of a transaction, keeping it small,
-- and passing replayed dead letters on.
-- `log.*` is shared by all rooms; `publisher` is the room's own, found on the search path.

-- name: append
-- Give blocks the next sequences of their heads, and write them. $2-$4: places and how many blocks each gets;
-- $5-$8: the blocks in order.
with head as (
  insert into log.head as head (source, topic, partition, last_seq)
  select $1::text, place.topic, place.partition, place.blocks
  from unnest($2::text[], $3::int[], $4::bigint[]) as place(topic, partition, blocks)
  order by place.topic, place.partition
  on conflict (source, topic, partition) do update set last_seq = head.last_seq + excluded.last_seq
  returning head.topic, head.partition, head.last_seq
), numbered as (
  select output.*,
         row_number() over (partition by output.topic, output.partition order by output.place desc) - 1 as from_last
  from unnest($5::text[], $6::int[], $7::bytea[], $8::bytea[]) with ordinality
    as output(topic, partition, headers, block, place)
)
insert into log.log (source, topic, partition, seq, headers, block)
select $1::text, numbered.topic, numbered.partition, head.last_seq - numbered.from_last, numbered.headers, numbered.block
from numbered join head using (topic, partition)
order by numbered.topic, numbered.partition, numbered.place;

-- name: ring
-- Wake those who wait for blocks of these topics, once the transaction is committed.
select pg_notify($1, topic) from unnest($2::text[]) as topic;

-- name: timelines
-- The timelines after the first, with the last sequences given when each began; one without has a row of nulls.
select timeline.number, head.source, head.topic, head.partition, head.last_seq
from log.timeline as timeline left join log.timeline_head as head using (number)
order by timeline.number;

-- name: begin_timeline
-- Begin a timeline.
insert into log.timeline (number) values ($1);

-- name: keep_heads
-- What all sources had been given when it began.
insert into log.timeline_head (number, source, topic, partition, last_seq)
select $1, source, topic, partition, last_seq from log.head;

-- name: note_act
-- Write down who does what to a dead letter.
insert into log.dead_letter_acts (principal, request_id, topic, partition, position, act) values ($1, $2, $3, $4, $5, $6);

-- name: sent_back
-- Which dead letters were sent back.
select distinct topic, partition, position from log.dead_letter_acts where act = $1;

-- name: heads
-- The last sequence of a source in each of $3 partitions of a topic.
select array_agg(coalesce(head.last_seq, 0) order by place.partition)
from generate_series(0, $3::int - 1) as place(partition)
left join log.head as head on head.source = $1 and head.topic = $2 and head.partition = place.partition;

-- name: partitions
-- How many partitions this installation has; no row before its first start.
select partitions from log.installation;

-- name: fix_partitions
-- Say how many, where nobody has said it yet.
insert into log.installation (partitions) values ($1) on conflict do nothing;

-- name: prune_read
-- Delete at most $5 blocks of the stage $6 past their topic's retention that every stage which reads the topic has
-- taken. Of replayed dead letters (source $7) those that this stage reads: no stage wrote them.
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
  where head.source = $6 or (head.source = $7 and exists (
    select from consumer where consumer.topic = head.topic and consumer.stage = $6))
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

-- name: published
-- Up to which sequence the blocks of a stage stand in the log, by the stage's own marks.
select topic, partition, published from publisher where stage = $1;

-- name: prune_published
-- Delete at most $6 blocks of one source and partition that the log has acknowledged and that are past their retention.
delete from log.log as log using (
  select old.seq
  from log.log as old
  where old.topic = $1 and old.partition = $2 and old.source = $3
    and old.seq <= $4 and old.at < clock_timestamp() - $5::interval
  order by old.seq
  limit $6
) as doomed
where log.topic = $1 and log.partition = $2 and log.source = $3 and log.seq = doomed.seq;

-- name: replay_lock
-- One replay to a log outside the database at a time: its blocks are published in order. The key is of no other lock.
select pg_advisory_xact_lock(hashtext('heraut dlq replay'));

-- name: replayed
-- Blocks of the source `dlq` that the log outside the database has not acknowledged yet.
select log.seq, (extract(epoch from log.at) * 1000)::bigint as at, log.headers, log.block
from log.log as log
where log.topic = $1 and log.partition = $2 and log.source = $3
order by log.seq;

-- name: forget_replayed
-- They are acknowledged now.
delete from log.log as log
where log.topic = $1 and log.partition = $2 and log.source = $3 and log.seq <= $4;
