-- name: rejected_batches
-- What a provider rejected that lies in no print file, and that nobody decided about: a bounded number, in the order of
-- their numbers.
select batch, partition, tries, at, block
from batches
where channel = $1 and state = 11 and job is null and batch > $2
order by batch
limit $3;

-- name: lock_rejected
-- The same, and the rows are locked.
select batch, partition, tries, at, block
from batches
where channel = $1 and state = 11 and job is null and batch > $2
order by batch
limit $3
for update;

-- name: called_back
-- Those of these notices that were called back, be it in time or not: their record says something else since.
select notice, state = 2 as answered from recalls where channel = $1 and notice = any($2::bytea[]);

-- name: record_act
-- Who had rejected attempts made again, or gave them up.
insert into print_acts (at, letters, act, job, principal, request_id) values (clock_timestamp(), $1, $2, $3, $4, $5);
