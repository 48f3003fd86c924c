-- name: rejected_batches
-- What a provider rejected that lies in no print file: a bounded number, in the order of their numbers. What an operator
-- decided about it, and is not done yet, has the act's time and heads.
select batches.batch, batches.partition, tries, batches.at, block, print_acts.at as decided_at, print_acts.after
from batches
left join decided on decided.batch = batches.batch
left join print_acts on print_acts.number = decided.act
where batches.channel = $1 and state = 11 and batches.job is null and batches.batch > $2
order by batches.batch
limit $3;

-- name: lock_rejected
-- Those of these batches that are rejected still; the rows are locked.
select batch, partition, tries, at, job, block
from batches
where batch = any($1::bigint[]) and state = 11
order by batch
for update;

-- name: called_back
-- Those of these notices that were called back, be it in time or not: their record says something else since.
select notice, state = 2 as answered from recalls where channel = $1 and notice = any($2::bytea[]);

-- name: record_act
-- Who has rejected attempts made again, or gives them up, after which of intake's blocks.
insert into print_acts (at, letters, act, job, principal, request_id, after, even_if_posted)
values (clock_timestamp(), $1, $2, $3, $4, $5, $6, $7)
returning number;

-- name: which_decided
-- Those of these batches that wait for an act. They are locked before, in a statement of its own, so nobody adds any.
select batch from decided where batch = any($1::bigint[]);

-- name: decide
-- Let batches wait for an act.
insert into decided (batch, act, partition, channel)
select row.batch, $1, row.partition, $2
from unnest($3::bigint[], $4::int[]) as row(batch, partition)
order by row.batch;

-- name: waiting_acts
-- The first act that waits in each of these partitions: intake's heads only rise, so none behind it can be due before.
select wanted.partition, number, act, after, even_if_posted, at
from unnest($2::int[]) as wanted(partition)
cross join lateral (
    select act as number from decided
    where decided.channel = $1 and decided.partition = wanted.partition
    order by decided.act
    limit 1
) as first
join print_acts using (number)
order by wanted.partition;

-- name: decided_batches
-- Batches that wait for an act in a partition, in the order of their numbers: the first one, and more as long as neither
-- they nor what is in them are too many.
select batch
from (
    select batch, sum(attempts) over (order by batch) - attempts as before
    from (
        select decided.batch, coalesce(batches.count, 0) as attempts
        from decided
        left join batches on batches.batch = decided.batch
        where decided.channel = $1 and decided.partition = $2 and act = $3
        order by decided.batch
        limit $4
    ) as waiting
) as counted
where before < $5
order by batch;

-- name: forget_decided
-- They wait for no act any more.
delete from decided where batch = any($1::bigint[]);

-- name: posted
-- Those of these print files of which the print house said that they were posted.
select job from print_files where job = any($1::bytea[]) and posted_at is not null;

-- name: known
-- How far deduplication is known to have come, as it said in each partition.
select partition, up_to from known where channel = $1;

-- name: decided_jobs
-- How many letters of print runs wait for an act, by what they wait for.
select print_files.run, decided.partition, print_acts.after, min(print_acts.at) as at, sum(batches.count)::bigint as notices
from decided
join batches on batches.batch = decided.batch
join print_files on print_files.job = batches.job
join print_acts on print_acts.number = decided.act
where decided.channel = $1 and batches.state = 11
group by print_files.run, decided.partition, print_acts.after;

-- name: standing_decided
-- How many attempts of a channel wait for an act, and since when the first.
select coalesce(sum(batches.count), 0)::bigint as notices, min(print_acts.at) as since
from decided
join batches on batches.batch = decided.batch
join print_acts on print_acts.number = decided.act
where decided.channel = $1 and batches.state = 11;
