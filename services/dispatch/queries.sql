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

-- name: first_due
-- When it is the turn of the first batch in the queue of each of these partitions; none where it is empty.
select wanted.partition, waiting.due
from unnest($2::int[]) as wanted(partition)
cross join lateral (
    select due from batches
    where channel = $1 and batches.partition = wanted.partition and state = 0
    order by due
    limit 1
) as waiting;

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

-- name: queued_batches
-- Batches of the queue in the order of their numbers, whether their turn has come or not: the first one, and more as long
-- as they fit in the limit.
select batches.batch, partition, tries, at, job, block
from batches
join (
    select batch, sum(count) over (order by batch) as so_far, row_number() over (order by batch) as place
    from (
        select batch, count from batches
        where channel = $1 and partition = $2 and state = 0 and batch > $3
        order by batch
        limit 256
    ) as waiting
) as counted using (batch)
where so_far <= $4 or place = 1
order by batches.batch;

-- name: reword
-- Give batches of the queue blocks with another version of their incident.
update batches set block = reworded.block
from unnest($1::bigint[], $2::bytea[]) as reworded(batch, block)
where batches.batch = reworded.batch and batches.state = 0;

-- name: partitions_begun
-- Which of these partitions have a batch whose hand-over was begun and not settled, and whose turn it is to be begun again.
select wanted.partition
from unnest($2::int[]) as wanted(partition)
where exists (
    select from batches
    where channel = $1 and batches.partition = wanted.partition and state = 1 and due <= $3
);

-- name: open_intents
-- The batches of a partition whose hand-over was begun and not settled, and whose turn it is to be begun again.
select batch, partition, tries, at, job, block, print_files.run
from batches
left join print_files using (job)
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

-- name: hands_over_to
-- Whom a channel hands over to from now on: since when, to whom before (empty where it was the same), and how many
-- attempts are begun.
with noted as (
    insert into providers (channel, provider, since) values ($1, $2, $3)
    on conflict (channel) do update set
        before = case when providers.provider = excluded.provider then providers.before else providers.provider end,
        since = case when providers.provider = excluded.provider then providers.since else excluded.since end,
        provider = excluded.provider
    returning since, before
)
select since, before, (
    select coalesce(sum(count), 0) from batches where channel = $1 and state = 1 and at < noted.since
) as begun
from noted;

-- name: note_absent
-- List whose hand-over may be made again, as the provider does not know it.
insert into absent (at, channel, attempt, notice)
select $1, $2, row.attempt, row.notice
from unnest($3::smallint[], $4::bytea[]) as row(attempt, notice);

-- name: intend
-- Write down that the hand-over of these is about to begin; returns those that are as they were read. From another one
-- somebody was taken out meanwhile, or all of it was.
update batches
set state = 1, at = $4::timestamptz, due = $4::timestamptz, job = wanted.job
from unnest($1::bigint[], $2::int[], $3::bytea[]) as wanted(batch, count, job)
where batches.batch = wanted.batch and batches.state = 0 and batches.count = wanted.count
returning batches.batch;

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
-- Make a batch of attempts that leave another one ($11).
insert into batches (batch, at, due, partition, count, channel, state, tries, job, block, trace)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, (select trace from batches where batch = $11));

-- name: led_to
-- What batches follow from, where that was traced.
select trace from batches where batch = any($1::bigint[]) and trace is not null order by batch;

-- name: move_attempts
-- Put attempts into another batch.
update attempts set batch = $1
from unnest($2::bytea[], $3::smallint[]) as moved(notice, attempt)
where attempts.notice = moved.notice and attempts.attempt = moved.attempt;

-- name: add_recalls
-- Remember notices that must not begin any more; those that are remembered stay as they are.
insert into recalls (at, partition, channel, state, notice, pseudonym, incident_id)
select $1, recalled.partition, $2, 0, recalled.notice, recalled.pseudonym, recalled.incident_id
from unnest($3::int[], $4::bytea[], $5::bytea[], $6::text[]) as recalled(partition, notice, pseudonym, incident_id)
order by recalled.notice
on conflict (notice, channel) do nothing;

-- name: end_recalls
-- It is known how these ended. The row stays as a mark, and is made where the recall itself was set aside: heard after
-- that it would be open for good.
insert into recalls (at, partition, channel, state, notice, pseudonym, incident_id)
select $1, ended.partition, $2, 2, ended.notice, ended.pseudonym, ended.incident_id
from unnest($3::int[], $4::bytea[], $5::bytea[], $6::text[]) as ended(partition, notice, pseudonym, incident_id)
order by ended.notice
on conflict (notice, channel) do update set state = 2, at = excluded.at where recalls.state <> 2;

-- name: forget_recalls
-- Drop marks that were answered before $3, those first that were answered first, a bounded number; returns how many went.
with gone as (
    delete from recalls using (
        select notice from recalls
        where channel = $1 and partition = any($2::int[]) and state = 2 and at < $3
        order by at
        limit $4
    ) as old
    where recalls.notice = old.notice and recalls.channel = $1
    returning 1
)
select count(*) from gone;

-- name: has_recalls
-- Whether something is remembered in these partitions that is not here yet; nearly always nothing is.
select exists (select from recalls where channel = $1 and partition = any($2::int[]) and state in (0, 1));

-- name: recalls_under_way
-- Notices that had begun when they were recalled, and of which it was not known how that ends; a bounded number, those
-- first that were not looked at for longest.
select notice from recalls where channel = $1 and partition = any($2::int[]) and state = 1 order by at limit $3;

-- name: recalled_attempts
-- The attempts of these notices whose recall is not answered; their batches are locked, so that none of them begins. A
-- print house may say of a file both that it was posted and that it was rejected. What other channels have of a notice is
-- read and not locked: an attempt there that told nobody after all is looked at by its own channel.
select recalls.notice, recalls.pseudonym, recalls.incident_id, recalls.partition, batches.batch, batches.state,
    batches.state = 11 and print_files.posted_at is not null as posted,
    array(
        select distinct others.state
        from attempts as made
        join batches as others on others.batch = made.batch
        where made.notice = recalls.notice and others.channel <> $1
    ) as elsewhere
from recalls
join attempts on attempts.notice = recalls.notice
join batches on batches.batch = attempts.batch
left join print_files on print_files.job = batches.job
where recalls.channel = $1 and recalls.notice = any($2::bytea[]) and recalls.state in (0, 1) and batches.channel = $1
order by batches.batch
for update of batches;

-- name: settled_attempts
-- Where attempts stand of which something was heard after their hand-over; their batches are locked.
select attempts.notice, attempts.attempt, batches.batch, batches.state
from unnest($2::bytea[], $3::smallint[]) as said(notice, attempt)
join attempts using (notice, attempt)
join batches on batches.batch = attempts.batch
where batches.channel = $1
order by batches.batch
for update of batches;

-- name: batches_of
-- These batches, whatever state they are in.
select batch, partition, tries, at, job, block
from batches
where batch = any($1::bigint[])
order by batch;

-- name: mark_recalls
-- Note how far recalls are answered.
update recalls set state = $3, at = $4 where channel = $1 and notice = any($2::bytea[]);

-- name: reopen_recalls
-- Look again at those notices whose recall was answered and that wait here: what had begun told nobody (11), or another
-- attempt has come since.
update recalls set state = 1, at = $3
where channel = $1 and notice = any($2::bytea[]) and state = 2 and exists (
    select from attempts
    join batches using (batch)
    where attempts.notice = recalls.notice and batches.channel = $1 and batches.state in (0, 11)
);

-- name: keep_known
-- How far deduplication knows intake's blocks; a repeat may say less. No count falls, so the greater of two is the later.
insert into known (channel, partition, up_to) values ($1, $2, $3)
on conflict (channel, partition) do update set up_to = greatest(known.up_to, excluded.up_to);

-- name: read_known
-- How far deduplication is known to have come, as it said in these partitions.
select partition, up_to from known where channel = $1 and partition = any($2::int[]);

-- name: see_pauses
-- Note pauses in these partitions; those that were seen stay as they are, and do not come back.
insert into pauses (partition, channel, incident_id, pause_id, cohort_id)
select partition, $1, pause.incident_id, pause.pause_id, pause.cohort_id
from unnest($2::int[]) as partition
cross join unnest($3::text[], $4::text[], $5::text[]) as pause(incident_id, pause_id, cohort_id)
order by pause.incident_id, pause.pause_id, partition
on conflict (incident_id, pause_id, channel, partition) do nothing
returning partition;

-- name: unreported_pauses
-- Pauses of which it was not reported yet what had begun.
select incident_id, pause_id, cohort_id, partition
from pauses
where channel = $1 and partition = any($2::int[]) and not reported
order by incident_id, pause_id, partition;

-- name: note_begun
-- Attempts that had begun when a pause came.
insert into begun (partition, channel, attempt, notice, incident_id, pause_id)
select $1, $2, row.attempt, row.notice, $3, $4
from unnest($5::bytea[], $6::smallint[]) as row(notice, attempt)
order by row.notice, row.attempt
on conflict (incident_id, pause_id, notice, attempt) do nothing;

-- name: begun
-- What had begun in a partition when a pause came.
select notice, attempt from begun
where incident_id = $1 and pause_id = $2 and channel = $3 and partition = $4
order by notice, attempt;

-- name: report_pause
-- It is reported what had begun.
update pauses set reported = true
where incident_id = $1 and pause_id = $2 and channel = $3 and partition = $4;

-- name: all_open_intents
-- The batches of a partition whose hand-over was begun and not settled.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and partition = $2 and state = 1
order by batch;

-- name: counted_blocks
-- The blocks of all batches that are paused, moved on or rejected by a print house, some at a time: nothing but `heraut ledger --recount` asks.
select batch, state, channel, block from batches where state in (7, 8, 11) and batch > $1 order by batch limit $2;

-- name: paused_batches
-- Batches that are paused, a bounded number, in the order of their numbers.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and partition = $2 and state = 7 and batch > $3
order by batch
limit $4
for update;

-- name: standing
-- How many attempts are in each open state, and since when the first of them is. What was rejected (11) is here what
-- lies in no print file and nobody decided about; jobs of a print house are asked for by themselves.
select state, sum(count)::bigint as attempts, min(at) as since
from batches
where channel = $1 and state in (0, 1, 4, 5, 7) and due > 'epoch' -- those due then are nobody
group by state
union all
select 11, sum(count)::bigint, min(at)
from batches
where channel = $1 and state = 11 and job is null
    and not exists (select from decided where decided.batch = batches.batch)
having count(*) > 0;

-- name: oldest_open
-- The batches of the queue, and those that were begun, which came first: a hand-over that is put off begins a state
-- anew and keeps its number. A bounded number.
select batch, at from batches
where channel = $1 and state in (0, 1) and due > 'epoch' -- as in `standing`
order by batch
limit $2;

-- name: unclosed_runs
-- How many print runs the print house has no total of, and since when the first of them got nothing new.
select count(*) as runs, min(at) as since from print_runs where state in (0, 1);

-- name: unknowns
-- Batches whose outcome is unknown, a bounded number, in the order of their numbers.
select batch, partition, tries, due as at, job, block
from batches
where channel = $1 and state = 4 and batch > $2
order by batch
limit $3;

-- name: open_runs
-- Open a print run of a day and partition for each handling that has none open: the next one of that day.
insert into print_runs (run, day, at, partition, number, handling, state)
select
    format('%s-%s-%s-%s', to_char($1::date, 'YYYYMMDD'), $2::int, wanted.word, next.number),
    $1, $3, $2, next.number, wanted.handling, 0
from unnest($4::smallint[], $5::text[]) as wanted(handling, word)
cross join lateral (
    select coalesce(max(number), 0) + 1 as number, count(*) filter (where state = 0) as opened
    from print_runs
    where day = $1 and partition = $2 and handling = wanted.handling
) as next
where next.opened = 0;

-- name: lock_open_runs
-- The open print runs of a day and partition; nobody closes them before the end of the transaction.
select handling, run from print_runs
where day = $1 and partition = $2 and state = 0
order by run
for update;

-- name: add_files
-- Put print files that are about to be made into a run. One that is done already stays where it is.
insert into print_files (job, run)
select file.job, file.run
from unnest($1::bytea[], $2::text[]) as file(job, run)
order by file.job
on conflict (job) do update
set run = case when print_files.position is null then excluded.run else print_files.run end
returning job, run;

-- name: lock_run
-- The run of a print file that is not done yet: files are counted one after the other.
select print_runs.run from print_runs
join print_files using (run)
where job = $1 and position is null
for update of print_runs;

-- name: file_done
-- Count a print file in its run, as the next one.
update print_files
set position = (select coalesce(max(position), 0) + 1 from print_files where run = $2),
    letters = $3, pages = $4, sheets = $5, digest = $6, done_at = $7
where job = $1 and position is null;

-- name: run_grew
-- A file was added to a run.
update print_runs set at = $2 where run = $1;

-- name: drop_file
-- No letter of this print file was printed.
delete from print_files where job = $1 and position is null;

-- name: runs_due
-- Print runs of these partitions that are to be closed, a bounded number: their day is over, nothing was added since
-- $3, or somebody began to close them; and no file of theirs is on its way.
select run, partition from print_runs
where partition = any($1::int[])
    and (state = 1 or (state = 0 and (day < $2 or at <= $3)))
    and not exists (select from print_files where print_files.run = print_runs.run and position is null)
order by run
limit 16;

-- name: lock_run_due
-- Whether a print run is open; nobody adds a file to it before the end of the transaction.
select state from print_runs where run = $1 for update;

-- name: files_on_their_way
-- How many files of a run are done, and how many are not.
select count(position) as done, count(*) - count(position) as on_their_way from print_files where run = $1;

-- name: end_run
-- Move a print run on to the state after the one that it is in.
update print_runs set state = $2, at = $3 where run = $1 and state = $2 - 1;

-- name: drop_run
-- Nothing was printed in this run.
delete from print_runs where run = $1 and state = 0;

-- name: read_run
-- A print run whose total stays as it is.
select run, day, at, partition, number, handling from print_runs where run = $1 and state = 1;

-- name: files_of_run
-- The files of a run in its order.
select job, letters, pages, sheets, digest from print_files where run = $1 order by position;

-- name: lock_turns
-- One process at a time takes turns at a provider; until the end of the transaction.
select pg_advisory_xact_lock(1212502358, hashtext($1));

-- name: turns_lately
-- The time, and what was let out in these last seconds. After the lock, so that nobody lets out anything meanwhile.
select
    extract(epoch from clock_timestamp())::float8 as now,
    (clock_timestamp() at time zone 'UTC')::date as day,
    extract(epoch from (clock_timestamp() at time zone 'UTC')::time)::float8 as second,
    coalesce((
        select day_turns.turns from day_turns
        where provider = $1 and day = (clock_timestamp() at time zone 'UTC')::date
    ), 0) as today,
    array(
        select extract(epoch from at)::float8 from turns
        where provider = $1 and at > clock_timestamp() - make_interval(secs => $2)
        order by at
    ) as at,
    array(
        select turns from turns
        where provider = $1 and at > clock_timestamp() - make_interval(secs => $2)
        order by at
    ) as turns;

-- name: let_turns_out
-- Let turns out, and forget those that count no more.
with forgotten as (
    delete from turns where provider = $1 and at < to_timestamp($2) - make_interval(secs => $4)
)
insert into turns (at, turns, provider) values (to_timestamp($2), $3, $1);

-- name: let_turns_of_day_out
-- Let turns of a day out, and forget the days before.
with forgotten as (
    delete from day_turns where provider = $1 and day < $2
)
insert into day_turns as counted (provider, day, turns) values ($1, $2, $3)
on conflict (provider, day) do update set turns = counted.turns + excluded.turns;

-- name: give_turns_back
-- Take back turns of a day that were let out and not used.
update day_turns set turns = greatest(0, turns - $3) where provider = $1 and day = $2;

-- name: turns_of_day
-- How many turns of today were let out.
select coalesce(
    (select turns from day_turns where provider = $1 and day = (clock_timestamp() at time zone 'UTC')::date), 0
);

-- name: channel_stands
-- The latest act on a channel.
select act, at, principal from acts where channel = $1 order by number desc limit 1;

-- name: channel_state
-- The latest act on a channel, and what `restore_stands` says: each process asks for both all the time.
select last.act, last.at, last.principal,
    (select at from restores where channel = $1 and unread) as unread_since,
    exists (select from found_letters where not settled) as found
from (values (true)) as one(row)
left join lateral (
    select act, at, principal from acts where channel = $1 order by number desc limit 1
) as last on true;

-- name: lock_channel
-- One caller at a time pauses a channel, or lets it go on; until the end of the transaction.
select pg_advisory_xact_lock(1212502359, $1);

-- name: set_back
-- Note that a channel's database was set back: since when it knows nothing, and whom it may have handed over to since then.
-- What is noted already goes on, until an operator lets the channel go on.
insert into restores (at, since, channel, unread, providers)
select $2, least($2, greatest((select max(at) from batches), (select max(since) from providers), 'epoch')), $1, false,
    array(select provider from providers where channel = $1)
on conflict (channel) do update set at = excluded.at, providers = array(
    select distinct provider from unnest(restores.providers || excluded.providers) as provider order by provider
)
returning since, providers, unnamed;

-- name: doubt
-- List as unknown what is queued, begun or refused and not told, once the database was set back: it may have gone out
-- since; returns how many. What is due since ever is nobody.
with doubted as (
    update batches set state = 4, at = $2, due = $2
    where channel = $1 and state in (0, 1, 5) and due > 'epoch'
    returning count
)
select coalesce(sum(count), 0)::bigint from doubted;

-- name: ask_first
-- Take what is queued, or refused and not told, for begun, so that its provider is asked for it before anything is sent;
-- returns how many. It may have been begun since $3, and no earlier: some batches a microsecond, as those that were begun
-- together are one round.
with wanted as (
    select batch, row_number() over (order by batch) as place
    from batches
    where channel = $1 and state in (0, 5) and due > 'epoch'
), asked as (
    update batches set state = 1, due = $2, at = $3::timestamptz + wanted.place / 4 * interval '1 microsecond'
    from wanted
    where batches.batch = wanted.batch
    returning count
)
select coalesce(sum(count), 0)::bigint from asked;

-- name: read_files_first
-- Whether nothing begins on a channel before the files that its provider was given are read.
update restores set unread = $2 where channel = $1;

-- name: set_aside
-- How many attempts a pause holds back.
select coalesce(sum(count), 0)::bigint from batches where channel = $1 and state = 7;

-- name: restore_stands
-- Since when a channel waits for its provider's files to be read, null where it does not; and whether letters were found in
-- them of which no attempt came yet.
select
    (select at from restores where channel = $1 and unread) as unread_since,
    exists (select from found_letters where not settled) as found;

-- name: restore_is_over
-- An operator lets a channel go on: what comes from now on is not in doubt.
delete from restores where channel = $1 and not unread;

-- name: files_were_read
-- The provider's files are read, unless somebody said anew that the database was set back.
update restores set unread = false, unnamed = $3 where channel = $1 and at = $2;

-- name: files_done
-- Those of these print files that are written down as done.
select job from print_files where job = any($1::bytea[]) and position is not null;

-- name: find_run
-- A print run of which a file was found, and that the database knew nothing of: nothing is added to it any more.
insert into print_runs (run, day, at, partition, number, handling, state)
values ($1, $2, $3, $4, $5, $6, 1)
on conflict do nothing;

-- name: find_file
-- A finished print file of a run, at its place in the total or else as the next one.
insert into print_files (job, run, letters, pages, sheets, digest, done_at, position)
values (
    $1, $2, $3, $4, $5, $6, $7,
    coalesce($8, (select coalesce(max(position), 0) + 1 from print_files where run = $2))
)
on conflict (job) do update
set run = excluded.run, position = excluded.position, letters = excluded.letters, pages = excluded.pages,
    sheets = excluded.sheets, digest = excluded.digest, done_at = excluded.done_at
where print_files.position is null;

-- name: run_has_total
-- The print house has the total of a run.
update print_runs set state = 2, at = $2 where run = $1 and state < 2;

-- name: find_letters
-- Letters of a print file that the database knew nothing of.
insert into found_letters (at, sent, job, notice, attempt)
select $1, $2, $3, row.notice, row.attempt
from unnest($4::bytea[], $5::smallint[]) as row(notice, attempt)
order by row.notice, row.attempt
on conflict (notice, attempt) do nothing;

-- name: found_of
-- The letters of these notices that were found, and of which no attempt came yet.
select at, sent, job, notice, attempt from found_letters
where notice = any($1::bytea[]) and not settled
order by notice, attempt;

-- name: found_settled
-- An attempt was found for these letters.
update found_letters set settled = true
from unnest($1::bytea[], $2::smallint[]) as row(notice, attempt)
where found_letters.notice = row.notice and found_letters.attempt = row.attempt;

-- name: open_batches
-- Batches of the queue and those that were begun, a bounded number in the order of their numbers; they are locked.
select batch, partition, tries, at, job, block
from batches
where channel = $1 and state in (0, 1) and batch > $2
order by batch
limit $3
for update;

-- name: settle_apart
-- A batch of letters that were found in a print file: accepted (2), or unknown (4) where nobody knows whether it was sent.
insert into batches (batch, at, due, partition, count, channel, state, tries, job, block)
values ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: drop_emptied
-- Nothing is left in a batch: its attempts are in others.
delete from batches where batch = $1;

-- name: found
-- What was found in print files: how many letters, how many of them an attempt was found for, and of how many the database
-- knows nothing to this day.
select count(*) as letters, count(*) filter (where settled) as settled,
    count(*) filter (where not exists (select from attempts where attempts.notice = found_letters.notice)) as strangers
from found_letters;

-- name: record_act
-- Who paused a channel, or let it go on.
insert into acts (at, channel, act, principal, request_id) values (clock_timestamp(), $1, $2, $3, $4);

-- name: drop_batches
-- Forget batches that were begun, and their attempts: of synthetic people, who would pile up. Returns how many went.
with dropped as (
    delete from batches where batch = any($1::bigint[]) and state = 1 returning batch
), attempted as (
    delete from attempts
    using unnest($2::bytea[], $3::smallint[]) as gone(notice, attempt), dropped
    where attempts.notice = gone.notice and attempts.attempt = gone.attempt and attempts.batch = dropped.batch
)
select count(*)::int from dropped;
