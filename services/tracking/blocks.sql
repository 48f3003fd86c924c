-- name: hold
-- Nobody else writes of notices until this transaction ends.
select pg_advisory_xact_lock(1212502360, 0);

-- name: read_on
-- Blocks in the order in which notices became known, from one on, and how many segments have an index: all of them have
-- a row for the first bucket.
select first, notices, (select coalesce(max(segment) + 1, 0) from places where bucket = 0) as segments
from blocks
where first >= $1
order by first
limit $2;

-- name: add_blocks
-- What was heard of the notices of some blocks.
insert into blocks (first, at, channel, cohorts, revisions, attempts, states, notices, members)
select new.first, to_timestamp(new.at / 1000.0), new.channel, new.cohorts, new.revisions, new.attempts, new.states,
       new.notices, new.members
from unnest($1::bigint[], $2::bigint[], $3::smallint[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[],
            $8::bytea[], $9::bytea[])
     as new(first, at, channel, cohorts, revisions, attempts, states, notices, members);

-- name: add_places
-- The index of a segment.
insert into places (segment, bucket, entries)
select $1, new.bucket, new.entries from unnest($2::smallint[], $3::bytea[]) as new(bucket, entries);

-- name: find_places
-- The rows of all indexes that have what begins so: a row a bucket, with those of each segment one after the other.
select wanted.bucket, has.segments, has.lengths, has.entries
from unnest($1::smallint[]) as wanted(bucket)
cross join lateral (
    select array_agg(segment) as segments, array_agg(length(entries)) as lengths, string_agg(entries, '') as entries
    from places
    where bucket = wanted.bucket
) as has
where has.segments is not null;

-- name: read_ids
-- The ids of the notices in these places.
select substring(block.notices from (wanted.place - block.first)::int * 16 + 1 for 16) as notice
from unnest($1::bigint[]) as wanted(place)
cross join lateral (
    select first, notices from blocks where first <= wanted.place order by first desc limit 1
) as block;

-- name: read_entries
-- What blocks say of the notices in these places, packed as blocks are. A block in which $2 of them stand comes whole,
-- which is read faster then; of others these notices alone. Nothing of those with rows of their own.
with stands as (
    select (select first from blocks where first <= wanted.place order by first desc limit 1) as first,
           array_agg(wanted.place) as places
    from unnest($1::bigint[]) as wanted(place)
    group by 1
)
select (extract(epoch from block.at) * 1000)::bigint as at, block.channel, block.cohorts, block.revisions,
       block.attempts, block.states, block.notices, block.members
from stands
join blocks as block on block.first = stands.first
where block.cohorts <> '' and cardinality(stands.places) >= $2
union all
select (extract(epoch from block.at) * 1000)::bigint as at, block.channel,
       case length(block.cohorts) when 4 then block.cohorts else picked.cohorts end,
       case length(block.revisions) when 4 then block.revisions else picked.revisions end,
       case length(block.attempts) when 4 then block.attempts else picked.attempts end,
       case length(block.states) when 4 then block.states else picked.states end,
       picked.notices, picked.members
from stands
join blocks as block on block.first = stands.first
cross join lateral (
    select string_agg(substring(block.notices from at * 16 + 1 for 16), '') as notices,
           string_agg(substring(block.members from at * 16 + 1 for 16), '') as members,
           string_agg(substring(block.cohorts from at * 4 + 1 for 4), '') as cohorts,
           string_agg(substring(block.revisions from at * 4 + 1 for 4), '') as revisions,
           string_agg(substring(block.attempts from at * 4 + 1 for 4), '') as attempts,
           string_agg(substring(block.states from at * 4 + 1 for 4), '') as states
    from (select (place - block.first)::int as at from unnest(stands.places) as place) as each
) as picked
where block.cohorts <> '' and cardinality(stands.places) < $2;

-- name: name_cohorts
-- The names of these cohorts.
select number, scope from cohorts where number = any($1::int[]);

-- name: read_standing
-- What blocks say of where their notices stand, from one on: those of which notices have no rows of their own, or not
-- all. Every row is read, for `recount`.
select first, channel, cohorts, states, length(notices) / 16 as notices
from blocks
where first >= $1 and cohorts <> ''
order by first
limit $2;
