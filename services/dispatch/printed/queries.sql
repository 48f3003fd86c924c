-- name: files_of_job
-- The print files that a print house means: those of a run, or one. Rows are locked in the order of their keys.
select job, run, position is not null as done, posted_at is not null as posted
from print_files
where run = $1 or job = $2
order by job
for update;

-- name: note_answer
-- Something was said of print files: 20 acknowledged, 30 posted, 80 rejected (core.receipts). Of what is said several
-- times the earliest holds, so neither order nor repeats matter. Returns the files of which it is new, and whether both was
-- said of them, that they were posted and that they were rejected.
update print_files
set acknowledged_at = case when $2 = 20 then least(acknowledged_at, $3) else acknowledged_at end,
    posted_at = case when $2 = 30 then least(posted_at, $3) else posted_at end,
    rejected_at = case when $2 = 80 then least(rejected_at, $3) else rejected_at end,
    reason = case when $2 = 80 then $4 else reason end,
    had_since = case when $2 < 80 then coalesce(had_since, $5) else had_since end
where job = any($1::bytea[]) and case $2::smallint
    when 20 then acknowledged_at is null or $3::timestamptz < acknowledged_at
    when 30 then posted_at is null or $3 < posted_at
    else rejected_at is null or ($3, $4::text) < (rejected_at, reason)
end
returning job, posted_at is not null and rejected_at is not null as contradictory;

-- name: printed_batches
-- The letters of print files that are taken for told. There is no index that leads from a file to its batches, as
-- nothing but a rejection asks for them.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and state = 2 and job = any($2::bytea[])
order by batch;

-- name: unprinted_batches
-- The letters of print files that were rejected; the rows are locked.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and state = 11 and job = any($2::bytea[])
order by batch
for update;

-- name: unprinted_page
-- The same for people to read: a bounded number, in the order of their numbers.
select batches.batch, partition, tries, at, batches.job, block
from batches
join print_files using (job)
where state = 11 and (print_files.run = $1 or print_files.job = $2) and batch > $3
    and not exists (select from decided where decided.batch = batches.batch)
order by batch
limit $4;

-- name: list_jobs
-- Print runs, the latest first: how many letters they have, and what was said of their files. Unless $1, those alone of
-- which something is left to be heard or to be done.
select print_runs.run, print_runs.day, print_runs.handling, print_runs.state as run_state,
    count(*) as files, sum(letters)::bigint as letters,
    count(*) filter (where acknowledged_at is null and posted_at is null and rejected_at is null) as waiting,
    min(done_at) filter (where acknowledged_at is null and posted_at is null and rejected_at is null) as waits_since,
    count(*) filter (where posted_at is not null and rejected_at is null) as posted,
    count(*) filter (where rejected_at is not null) as rejected,
    bool_or(rejected_at is not null and posted_at is not null) as contradictory,
    coalesce(array_agg(distinct reason order by reason) filter (where reason is not null), '{}') as reasons,
    coalesce(sum(unprinted.letters_left), 0)::bigint as unprinted
from print_files
join print_runs using (run)
left join lateral (
    select sum(count) as letters_left from batches
    where batches.job = print_files.job and batches.state = 11
        and not exists (select from decided where decided.batch = batches.batch)
) as unprinted on true
where position is not null and ($1 or print_files.run in (
    select run from print_files
    where position is not null and acknowledged_at is null and posted_at is null and rejected_at is null
    union
    select print_files.run from batches join print_files using (job) where batches.state = 11
))
group by print_runs.run
order by print_runs.day desc, print_runs.run
limit $2;

-- name: rejected_files
-- The print files of runs that have letters which nobody decided about.
select print_files.run, batches.job, sum(batches.count)::bigint as letters
from batches
join print_files using (job)
where batches.state = 11 and print_files.run = any($1::text[])
    and not exists (select from decided where decided.batch = batches.batch)
group by print_files.run, batches.job
order by print_files.run, batches.job;

-- name: standing_files
-- How many print files nothing was said of, since when the first, and how many letters lie in rejected ones.
select
    (select count(*) from print_files
     where position is not null and acknowledged_at is null and posted_at is null and rejected_at is null) as waiting,
    (select min(done_at) from print_files
     where position is not null and acknowledged_at is null and posted_at is null and rejected_at is null) as since,
    (select count(distinct job) from batches
     where state = 11 and not exists (select from decided where decided.batch = batches.batch)) as rejected,
    (select coalesce(sum(count), 0) from batches
     where state = 11 and job is not null
        and not exists (select from decided where decided.batch = batches.batch))::bigint as unprinted;

-- name: clearable_files
-- Of these print files those that the print house has had since $2 or longer, or rejected then, with nobody left in them
-- to be decided about.
select job from print_files
where job = any($1::bytea[]) and (had_since < $2 or rejected_at < $2)
    and not exists (select from batches where batches.job = print_files.job and batches.state = 11)
order by job;
