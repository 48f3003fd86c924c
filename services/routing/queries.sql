-- name: lock_exhausted
-- Of these notices, those that were given up; the rows are locked in the order of their keys.
select notice, attempt, version, answered, block, reason
from exhausted
where notice = any($1::bytea[])
order by notice
for update;

-- name: read_addresses
-- What is known of the bearers of these notices, in the order of readdressing.Address.
select notice, version, since, slot, channels, flags, language
from addresses
where notice = any($1::bytea[]);

-- name: read_came_back
-- By which contact data of these members something came back, in the order of came_back.CameBack.
select member, channels, version, reason
from came_back
where member = any($1::bytea[])
order by member, channels;

-- name: keep_came_back
-- Contact data that came back, in the order of the keys; the highest version holds.
insert into came_back (member, channels, version, reason)
select new.member, new.channels, new.version, new.reason
from unnest($1::bytea[], $2::smallint[], $3::int[], $4::text[]) as new(member, channels, version, reason)
order by new.member, new.channels
on conflict (member, channels) do update
set version = excluded.version, reason = excluded.reason
where excluded.version > came_back.version;

-- name: keep_exhausted
-- How notices were given up, in the order of their keys; the latest attempt holds.
insert into exhausted (notice, attempt, version, answered, block, reason)
select new.notice, new.attempt, new.version, new.answered, new.block, new.reason
from unnest($1::bytea[], $2::smallint[], $3::int[], $4::boolean[], $5::bytea[], $6::text[])
     as new(notice, attempt, version, answered, block, reason)
order by new.notice
on conflict (notice) do update
set attempt = excluded.attempt, version = excluded.version, answered = excluded.answered, block = excluded.block,
    reason = excluded.reason;

-- name: keep_addresses
-- New addresses, in the order of their keys; the highest version holds.
insert into addresses (notice, version, since, slot, channels, flags, language)
select new.notice, new.version, new.since, new.slot, new.channels, new.flags, new.language
from unnest($1::bytea[], $2::int[], $3::int[], $4::bigint[], $5::smallint[], $6::smallint[], $7::text[])
     as new(notice, version, since, slot, channels, flags, language)
order by new.notice
on conflict (notice) do update
set version = excluded.version, since = excluded.since, slot = excluded.slot, channels = excluded.channels,
    flags = excluded.flags, language = excluded.language
where excluded.version > addresses.version;

-- name: keep_recalls
-- Notices that must not begin any more, in the order of their keys.
insert into recalls (partition, notice, pseudonym, incident_id)
select new.partition, new.notice, new.pseudonym, new.incident_id
from unnest($1::int[], $2::bytea[], $3::bytea[], $4::text[]) as new(partition, notice, pseudonym, incident_id)
order by new.notice
on conflict (notice) do nothing;

-- name: end_recalls
-- It is known how these ended. The row stays as a mark, and is made where the recall itself was set aside: heard after
-- that it would be open for good.
insert into recalls (over_since, partition, notice, pseudonym, incident_id)
select $1, ended.partition, ended.notice, ended.pseudonym, ended.incident_id
from unnest($2::int[], $3::bytea[], $4::bytea[], $5::text[]) as ended(partition, notice, pseudonym, incident_id)
order by ended.notice
on conflict (notice) do update set over_since = excluded.over_since where recalls.over_since is null;

-- name: forget_recalls
-- Drop marks that are over since before $2, the oldest first, a bounded number; returns how many went.
with gone as (
    delete from recalls using (
        select notice from recalls
        where partition = any($1::int[]) and over_since < $2
        order by over_since
        limit $3
    ) as old
    where recalls.notice = old.notice
    returning 1
)
select count(*) from gone;

-- name: recalled_exhausted
-- Of these notices, those that were recalled, and were given up with no new attempt since.
select recalls.partition, recalls.notice, recalls.pseudonym, recalls.incident_id, exhausted.block
from recalls
join exhausted on exhausted.notice = recalls.notice
where recalls.notice = any($1::bytea[]) and recalls.over_since is null and not exhausted.answered
order by recalls.notice
for update of exhausted;

-- name: recalled
-- Which of these were recalled, as long as that is remembered.
select notice from recalls where notice = any($1::bytea[]);

-- name: stop_exhausted
-- No new attempt is made of these.
update exhausted set answered = true where notice = any($1::bytea[]);
