-- name: number_cohorts
-- The numbers of these cohorts, as far as they have one.
select scope, number from cohorts where scope = any($1::text[]);

-- name: add_cohorts
-- Give numbers to cohorts, in the order of their names; another process may have given some meanwhile.
insert into cohorts (scope)
select new.scope from unnest($1::text[]) as new(scope) order by new.scope
on conflict (scope) do nothing;

-- name: read_notices
-- What the rows of these notices say, as far as they have rows of their own.
select notices.notice, coalesce(cohorts.scope, '') as scope, notices.member, notices.revision, notices.state,
       notices.attempt, (extract(epoch from notices.at) * 1000)::bigint as at, notices.channel, notices.mark
from notices
left join cohorts on cohorts.number = notices.cohort
where notices.notice = any($1::bytea[]);

-- name: read_steps
-- What our own rooms said of these notices, where it was more than their rows say.
select notice, attempt, state, channel, (extract(epoch from at) * 1000)::bigint as at
from steps
where notice = any($1::bytea[]);

-- name: read_receipts
-- What receipts say of these notices, in the order of core.receipts.Receipt.
select notice, channel, attempt, kind, (extract(epoch from at) * 1000)::bigint as at, reason
from receipts
where notice = any($1::bytea[]);

-- name: add_steps
-- What our own rooms said of notices, in the order of the keys; what is there stays.
insert into steps (at, attempt, state, channel, notice)
select to_timestamp(new.at / 1000.0), new.attempt, new.state, new.channel, new.notice
from unnest($1::bytea[], $2::smallint[], $3::smallint[], $4::smallint[], $5::bigint[])
     as new(notice, attempt, state, channel, at)
order by new.notice, new.attempt, new.state
on conflict do nothing;

-- name: add_receipts
-- What receipts say of notices, in the order of the keys; what is there stays.
insert into receipts (at, attempt, channel, kind, reason, notice)
select to_timestamp(new.at / 1000.0), new.attempt, new.channel, new.kind, new.reason, new.notice
from unnest($1::bytea[], $2::smallint[], $3::smallint[], $4::smallint[], $5::bigint[], $6::smallint[])
     as new(notice, channel, attempt, kind, at, reason)
order by new.notice, new.attempt, new.kind
on conflict do nothing;

-- name: add_notices
-- New rows, in the order of their keys.
insert into notices (at, cohort, revision, attempt, state, channel, mark, notice, member)
select to_timestamp(new.at / 1000.0), new.cohort, new.revision, new.attempt, new.state, new.channel, new.mark,
       new.notice, new.member
from unnest($1::bytea[], $2::int[], $3::bytea[], $4::int[], $5::smallint[], $6::int[], $7::bigint[], $8::smallint[],
            $9::int[])
     as new(notice, cohort, member, revision, state, attempt, at, channel, mark)
order by new.notice;

-- name: change_notices
-- What is known of them now.
update notices
set at = to_timestamp(new.at / 1000.0), cohort = new.cohort, revision = new.revision, attempt = new.attempt,
    state = new.state, channel = new.channel, mark = new.mark, member = new.member
from unnest($1::bytea[], $2::int[], $3::bytea[], $4::int[], $5::smallint[], $6::int[], $7::bigint[], $8::smallint[],
            $9::int[])
     as new(notice, cohort, member, revision, state, attempt, at, channel, mark)
where notices.notice = new.notice;

-- name: read_odd_entries
-- What blocks say of notices of which they do not say all, and whether those have rows of their own; each number has
-- four bytes. For `recount`: each block is read whole, once, and its ids alone are joined; `offset 0` holds that order.
select odd.own, entry.notice, block.channel, (extract(epoch from block.at) * 1000)::bigint as at,
       case length(block.cohorts) when 4 then block.cohorts else substring(block.cohorts from entry.at * 4 + 1 for 4) end as cohorts,
       case length(block.attempts) when 4 then block.attempts else substring(block.attempts from entry.at * 4 + 1 for 4) end as attempts,
       case length(block.states) when 4 then block.states else substring(block.states from entry.at * 4 + 1 for 4) end as states
from (
    select opened.first, opened.at, substring(opened.ids from opened.at * 16 + 1 for 16) as notice
    from (
        select whole.first, whole.ids, generate_series(0, length(whole.ids) / 16 - 1) as at
        from (select first, notices || ''::bytea as ids from blocks where cohorts <> '' offset 0) as whole
    ) as opened
    offset 0
) as entry
join (
    select heard.notice, bool_or(heard.own) as own
    from (
        select notice, true as own from notices
        union all
        select notice, false from steps
        union all
        select notice, false from receipts
    ) as heard
    group by heard.notice
) as odd on odd.notice = entry.notice
join blocks as block on block.first = entry.first;

-- name: recount
-- The notices with rows of their own of each cohort by their state; every row is read, so nothing but
-- `heraut ledger --recount` asks. Rows of a cohort that is not known are named by its number.
select coalesce(cohorts.scope, '?/' || kept.cohort) as scope, kept.state, kept.channel, kept.counted, kept.notices
from (
    select cohort, state, channel, mark % 2 = 0 as counted, count(*) as notices
    from notices
    where not exists (select from steps where steps.notice = notices.notice)
        and not exists (select from receipts where receipts.notice = notices.notice)
    group by 1, 2, 3, 4
) as kept
left join cohorts on cohorts.number = kept.cohort;

-- name: read_odd_notices
-- Those that `recount` leaves out, as what they count for is not in their rows alone.
select notices.notice, coalesce(cohorts.scope, case notices.cohort when 0 then '' else '?/' || notices.cohort end) as scope,
       notices.member, notices.revision, notices.state,
       notices.attempt, (extract(epoch from notices.at) * 1000)::bigint as at, notices.channel, notices.mark
from (select notice from steps union select notice from receipts) as odd
join notices on notices.notice = odd.notice
left join cohorts on cohorts.number = notices.cohort;

-- name: keep_totals
-- Totals of other stages, in the order of their keys; of each source the highest sequence holds.
insert into stage_totals (scope, stage, source, sequence, counts, first_at)
select new.scope, new.stage, new.source, new.sequence, new.counts::jsonb, to_timestamp(new.first_at / 1000.0)
from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::bigint[])
     as new(scope, stage, source, sequence, counts, first_at)
order by new.scope collate "C", new.stage collate "C", new.source collate "C"
on conflict (scope, stage, source) do update
set sequence = excluded.sequence, counts = excluded.counts, first_at = excluded.first_at
where excluded.sequence > stage_totals.sequence;

-- name: read_totals
-- What every stage counted of the cohorts whose scope begins so; tracking's own counts are a list.
select stage, scope, counts, (extract(epoch from first_at) * 1000)::bigint as first_at
from stage_totals
where starts_with(scope, $1)
union all
select 'tracking', scope, to_jsonb(counts), (extract(epoch from first_at) * 1000)::bigint
from totals
where starts_with(scope, $1);

-- name: note_observed
-- A channel has reported of a partition what had begun when a cohort was paused.
insert into pauses (partition, channel, incident_id, pause_id) values ($1, $2, $3, $4)
on conflict (incident_id, pause_id, channel, partition) do nothing;

-- name: add_begun
-- What had begun.
insert into begun (attempt, channel, notice, incident_id, pause_id)
select row.attempt, $1, row.notice, $2, $3
from unnest($4::bytea[], $5::int[]) as row(notice, attempt)
order by row.notice, row.attempt
on conflict (incident_id, pause_id, notice, attempt) do nothing;

-- name: count_observed
-- How many partitions each channel has reported of a pause.
select channel, count(*)::int as partitions from pauses where incident_id = $1 and pause_id = $2 group by channel;

-- name: list_begun
-- What had begun when a cohort was paused, in the order of the notices.
select notice, channel, attempt from begun
where incident_id = $1 and pause_id = $2
order by notice, attempt;

-- name: add_refusals
-- Attempts that were refused, in the order of their keys; those that are there already do not come back.
insert into refusals (cohort, attempt, channel, notice)
select new.cohort, new.attempt, $1, new.notice
from unnest($2::int[], $3::int[], $4::bytea[]) as new(cohort, attempt, notice)
order by new.notice, new.attempt
on conflict (notice, attempt) do nothing
returning cohort;

-- name: recount_refusals
-- The refused attempts of each cohort by channel; every row is read, as for `recount`.
select coalesce(cohorts.scope, '?/' || kept.cohort) as scope, kept.channel, kept.attempts
from (select cohort, channel, count(*) as attempts from refusals group by 1, 2) as kept
left join cohorts on cohorts.number = kept.cohort;

-- name: sum_figures
-- What was counted here of these cohorts, all partitions together: a row for each place in COUNTERS.
select totals.scope, counted.place::int, sum(counted.count)::bigint as count
from totals
cross join unnest(totals.counts) with ordinality as counted(count, place)
where totals.scope = any($1::text[])
group by totals.scope, counted.place;

-- name: read_stops
-- Where stop rules stand with these cohorts.
select scope, counted_from, before, found from stops where scope = any($1::text[]);

-- name: keep_stop
-- Where stop rules stand with a cohort from now on.
insert into stops (scope, counted_from, before, found) values ($1, $2, $3::jsonb, $4::jsonb)
on conflict (scope) do update
set counted_from = excluded.counted_from, before = excluded.before, found = excluded.found;

-- name: put_inbox
-- Write down what was said, in the order of the keys; what is there stays as it is.
insert into inbox (came, due, at, attempt, channel, kind, reason, named)
select $1, $1, to_timestamp(new.at / 1000.0), new.attempt, new.channel, new.kind, new.reason, new.named
from unnest($2::bytea[], $3::smallint[], $4::smallint[], $5::smallint[], $6::bigint[], $7::smallint[])
     as new(named, channel, attempt, kind, at, reason)
order by new.named, new.attempt, new.channel, new.kind, new.at, new.reason
on conflict do nothing;

-- name: inbox_due
-- What is to be looked at, the longest due first, a bounded number; in the order of said.Said.
select named, channel, attempt, kind, (extract(epoch from at) * 1000)::bigint as at, reason
from inbox
where due <= $1
order by due
limit $2
for update skip locked;

-- name: end_inbox
-- These are among the receipts now.
delete from inbox using (
    select * from unnest($1::bytea[], $2::smallint[], $3::smallint[], $4::smallint[], $5::bigint[], $6::smallint[])
        as gone(named, channel, attempt, kind, at, reason)
) as gone
where inbox.named = gone.named and inbox.channel = gone.channel and inbox.attempt = gone.attempt
    and inbox.kind = gone.kind and inbox.at = to_timestamp(gone.at / 1000.0) and inbox.reason = gone.reason;

-- name: wait_inbox
-- Nothing is known of their notices yet: they are looked for again after half of the time since they came.
update inbox
set due = $1 + least(greatest(($1 - came) / 2, interval '10 seconds'), interval '6 hours')
from unnest($2::bytea[]) as waiting(named)
where inbox.named = waiting.named and inbox.due <= $1;

-- name: add_unread
-- Wait for the readers of these.
insert into unread (at, incident_id, attempts, notices) values (to_timestamp($2 / 1000.0), $1, $4, $3);

-- name: take_unread
-- Blocks of messages that were accepted before then, a bounded number; they are waited for no more.
delete from unread using (
    select number from unread where incident_id = $1 and at <= $2 order by at, number limit $3
) as over
where unread.number = over.number
returning (extract(epoch from unread.at) * 1000)::bigint as at, unread.notices, unread.attempts;

-- name: seen_by_reader
-- Which of these attempts on a channel, all accepted at $4, were read, or came back: what is said of a reader or stronger
-- (core.receipts). What names no attempt is about one that had been accepted by then.
select distinct made.notice, made.attempt
from unnest($1::bytea[], $2::smallint[]) as made(notice, attempt)
join receipts using (notice)
where receipts.channel = $3 and receipts.kind >= $5
    and (receipts.attempt = made.attempt or receipts.attempt = 0 and receipts.at >= to_timestamp($4 / 1000.0));
