-- name: add_attempts
-- Take attempts that may be there already: what a replay brings changes nothing.
insert into attempts (
    notice, accepted_at, exposed, confirmed, told_exposed, told_confirmed, at, due, incident_version, member_version,
    revision, partition, attempt, channel, channels, tried, flags, state, tries, member, pseudonym, supersedes,
    incident_id, cohort_id, language
)
select
    row.notice, row.accepted_at, row.exposed, row.confirmed, row.told_exposed, row.told_confirmed, $20::timestamptz, $21::timestamptz,
    row.incident_version, row.member_version, row.revision, row.partition, row.attempt, $22::smallint, row.channels, row.tried,
    row.flags, 0, 0, row.member, row.pseudonym, row.supersedes, row.incident_id, row.cohort_id, row.language
from unnest(
    $1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::int[], $8::int[], $9::int[],
    $10::int[], $11::smallint[], $12::smallint[], $13::smallint[], $14::smallint[], $15::bytea[], $16::bytea[],
    $17::bytea[], $18::text[], $19::text[], $23::text[]
) as row (
    notice, accepted_at, exposed, confirmed, told_exposed, told_confirmed, incident_version, member_version, revision,
    partition, attempt, channels, tried, flags, member, pseudonym, supersedes, incident_id, cohort_id, language
)
order by row.notice, row.attempt
on conflict (notice, attempt) do nothing;

-- name: partitions_due
-- Which of these partitions have an attempt whose turn has come.
select wanted.partition
from unnest($2::int[]) as wanted(partition)
where exists (
    select from attempts
    where channel = $1 and attempts.partition = wanted.partition and state = 0 and due <= $3
);

-- name: queue
-- The attempts whose turn it is, longest waiting first.
select
    notice, accepted_at, exposed, confirmed, told_exposed, told_confirmed, at, incident_version, member_version,
    revision, attempt, channels, tried, flags, tries, member, pseudonym, supersedes, incident_id, cohort_id, language,
    batch, partition
from attempts
where channel = $1 and partition = $2 and state = 0 and due <= $3
order by due
limit $4;

-- name: open_intents
-- The attempts of a partition whose hand-over was begun and not settled, and whose turn it is to be begun again.
select
    notice, accepted_at, exposed, confirmed, told_exposed, told_confirmed, at, incident_version, member_version,
    revision, attempt, channels, tried, flags, tries, member, pseudonym, supersedes, incident_id, cohort_id, language,
    batch, partition
from attempts
where channel = $1 and partition = $2 and state = 1 and due <= $3
order by due;

-- name: overdue_unknowns
-- The attempts whose outcome stayed unknown for too long, a bounded number.
select
    notice, accepted_at, exposed, confirmed, told_exposed, told_confirmed, at, incident_version, member_version,
    revision, attempt, channels, tried, flags, tries, member, pseudonym, supersedes, incident_id, cohort_id, language,
    batch, partition
from attempts
where channel = $1 and partition = any($2::int[]) and state = 4 and due <= $3
order by partition, due
limit $4;

-- name: intend
-- Write down that the hand-over of these is about to begin.
update attempts
set state = 1, at = $4::timestamptz, due = $4::timestamptz, batch = wanted.batch
from unnest($1::bytea[], $2::smallint[], $3::bytea[]) as wanted(notice, attempt, batch)
where attempts.notice = wanted.notice and attempts.attempt = wanted.attempt and attempts.state = 0;

-- name: settle
-- Write down how hand-overs ended; gives those that this settled. What an owner before us called unknown may still
-- turn out accepted or refused, and nothing else.
update attempts
set state = ended.state,
    tries = ended.tries,
    due = ended.due,
    at = case when ended.state = 1 then attempts.at else $6::timestamptz end,
    batch = case when ended.state = 0 then null else attempts.batch end
from unnest($1::bytea[], $2::smallint[], $3::smallint[], $4::smallint[], $5::timestamptz[])
    as ended(notice, attempt, state, tries, due)
where attempts.notice = ended.notice
  and attempts.attempt = ended.attempt
  and (attempts.state = 1 or (attempts.state = 4 and ended.state in (2, 3)))
returning attempts.notice, attempts.attempt;
