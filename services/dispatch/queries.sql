-- name: next_numbers
-- Numbers for new batches.
select nextval('batch_numbers') from generate_series(1, $1::int);

-- name: add_attempts
-- Take attempts some of which may be there already; returns the new ones.
insert into attempts (batch, attempt, notice)
select row.batch, row.attempt, row.notice
from unnest($1::bigint[], $2::smallint[], $3::bytea[]) as row(batch, attempt, notice)
order by row.notice, row.attempt
on conflict (notice, attempt) do nothing
returning batch, attempt, notice;

-- name: partitions_due
-- Which of these partitions have a batch whose turn has come.
select wanted.partition
from unnest($2::int[]) as wanted(partition)
where exists (
    select from batches
    where channel = $1 and batches.partition = wanted.partition and state = 0 and due <= $3
);

-- name: queue
-- The batches whose turn it is, longest waiting first: the first one, and more as long as they fit in the limit.
-- At most so many that single attempts which were put off do not make a look expensive.
select batch, partition, tries, at, job, block
from (
    select *, sum(count) over (order by due, batch) as so_far, row_number() over (order by due, batch) as place
    from (
        select * from batches
        where channel = $1 and partition = $2 and state = 0 and due <= $3
        order by due, batch
        limit 256
    ) as waiting
) as counted
where so_far <= $4 or place = 1
order by due, batch;

-- name: open_intents
-- The batches of a partition whose hand-over was begun and not settled, and whose turn it is to be begun again.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and partition = $2 and state = 1 and due <= $3
order by due, batch;

-- name: overdue_unknowns
-- The batches whose outcome stayed unknown for too long, a bounded number.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and partition = any($2::int[]) and state = 4 and due <= $3
order by partition, due, batch
limit $4;

-- name: waiting_refusals
-- The batches that were refused and whose refusal is not told yet, a bounded number, the longest waiting first.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and partition = any($2::int[]) and state = 5 and due <= $3
order by partition, due, batch
limit $4;

-- name: wait_again
-- Let refusals that somebody else saw wait for a whole window here: who takes a partition over saw nothing yet.
update batches set due = greatest(due, $3)
where channel = $1 and partition = any($2::int[]) and state = 5;

-- name: note_taken_back
-- List whose refusals were taken back.
insert into taken_back (at, channel, attempt, notice)
select $1, $2, row.attempt, row.notice
from unnest($3::smallint[], $4::bytea[]) as row(attempt, notice);

-- name: intend
-- Write down that the hand-over of these is about to begin.
update batches
set state = 1, at = $3::timestamptz, due = $3::timestamptz, job = wanted.job
from unnest($1::bigint[], $2::bytea[]) as wanted(batch, job)
where batches.batch = wanted.batch and batches.state = 0;

-- name: lock_batches
-- Where batches stand, before their outcomes are written.
select batch, state, count, at, job, channel, partition from batches
where batch = any($1::bigint[])
order by batch
for update;

-- name: move
-- Write down how hand-overs ended, where all of a batch ended alike.
update batches
set state = ended.state,
    tries = ended.tries,
    due = ended.due,
    at = case when ended.state = 1 then batches.at else $5::timestamptz end,
    job = case when ended.state = 0 then null else batches.job end
from unnest($1::bigint[], $2::smallint[], $3::smallint[], $4::timestamptz[]) as ended(batch, state, tries, due)
where batches.batch = ended.batch;

-- name: shrink
-- Keep the attempts that did not leave in their batch.
update batches set count = $2, block = $3 where batch = $1;

-- name: split_off
-- Make a batch of attempts that leave another one.
insert into batches (batch, at, due, partition, count, channel, state, tries, job, block)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: move_attempts
-- Put attempts into another batch.
update attempts set batch = $1
from unnest($2::bytea[], $3::smallint[]) as moved(notice, attempt)
where attempts.notice = moved.notice and attempts.attempt = moved.attempt;
