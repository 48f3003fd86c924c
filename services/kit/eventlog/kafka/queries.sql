-- Named queries of the Kafka log: replayed dead letters pass through the log table, as all blocks of ours do.

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
