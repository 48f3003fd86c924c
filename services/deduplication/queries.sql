-- name: list_cohorts
-- The numbers of the cohorts of some incidents.
select incidents.incident_id, incidents.number as incident, cohorts.cohort_id, cohorts.number as cohort
from incidents
join cohorts on cohorts.incident = incidents.number
where incidents.incident_id = any($1::text[]);

-- name: list_all_cohorts
-- The numbers of all cohorts.
select incidents.incident_id, incidents.number as incident, cohorts.cohort_id, cohorts.number as cohort
from incidents
join cohorts on cohorts.incident = incidents.number
order by incidents.number;

-- name: add_incidents
-- Give numbers to incidents that have none; in the order of their ids, as others may do the same.
insert into incidents (incident_id)
select new.incident_id
from unnest($1::text[]) as new(incident_id)
where not exists (select 1 from incidents where incidents.incident_id = new.incident_id)
order by new.incident_id
on conflict (incident_id) do nothing;

-- name: add_cohorts
-- Give numbers to cohorts that have none.
insert into cohorts (incident, cohort_id)
select incidents.number, new.cohort_id
from unnest($1::text[], $2::text[]) as new(incident_id, cohort_id)
join incidents on incidents.incident_id = new.incident_id
where not exists (
    select 1 from cohorts where cohorts.incident = incidents.number and cohorts.cohort_id = new.cohort_id
)
order by incidents.number, new.cohort_id
on conflict (incident, cohort_id) do nothing;

-- name: read_members
-- All members of these persons, in the order of domain.Member and domain.Standing.
select person, partition, notice,
       member, version, cohort, accepted_at, exposed, confirmed, channels, flags, language, slot, witnesses,
       pseudonym, contact_since, outcome, waits, usable, told_with, conflict, merged_into, joined
from members
where incident = $1 and person = any($2::bytea[]);

-- name: read_notices
-- All notices of these persons, in the order of domain.Claim.
select person, revision, notice, bearer, version, exposed, confirmed, supersedes, void, told_group, course, through
from notices
where incident = $1 and person = any($2::bytea[])
order by person, told_group, revision;

-- name: take_out_members
-- Rows that are written anew by COPY in the same transaction. An update would write them anew as well, and its join
-- can be planned as a scan of the whole incident.
delete from members where incident = $1 and person = any($2::bytea[]);

-- name: turn_notices
-- Notices of which something else is known now: how far they came, and whether anybody was told by them.
update notices
set void = turned.void, course = turned.course
from unnest($2::bytea[], $3::bytea[], $4::boolean[], $5::smallint[]) as turned(person, notice, void, course)
where notices.incident = $1 and notices.person = turned.person and notices.notice = turned.notice;

-- name: recount
-- The members of each cohort by where they stand, of one incident or of all; every row is read, so nothing but
-- `heraut ledger --recount` asks. Rows of a cohort that is not known are named by its number.
select coalesce(incidents.incident_id || '/' || cohorts.cohort_id, '?/' || kept.cohort) as scope,
       kept.outcome, kept.members, kept.conflicting, kept.joined
from (
  select cohort, outcome, count(*) as members, count(*) filter (where conflict) as conflicting,
         count(*) filter (where joined) as joined
  from members
  group by cohort, outcome
) as kept
left join cohorts on cohorts.number = kept.cohort
left join incidents on incidents.number = cohorts.incident
where $1::text is null or incidents.incident_id = $1;

-- name: waiting_for_release
-- Persons whose news waits for one of these cohorts, whatever it was decided with. $2 is every set of channels that
-- there is: named, so that all of the index's columns are used. Here and below the index is of rows with `waits > 0`: a
-- plan for all parameters finds it only where that stands in the query.
select person
from members
where cohort = any($1::int[]) and waits = 1 and usable = any($2::smallint[]) and partition = any($3::smallint[])
limit $4;

-- name: decided_with_channels
-- Persons with news that was decided with one of these sets of channels.
select person
from members
where cohort = any($1::int[]) and waits > 0 and waits = any($5::smallint[]) and usable = any($2::smallint[])
      and partition = any($3::smallint[])
limit $4;

-- name: held_by_policy
-- Persons that another policy held: others with their pseudonym are somebody else, or nobody can tell whose they are.
select person
from members
where cohort = any($1::int[]) and waits > 0 and waits = any($5::smallint[]) and usable = any($2::smallint[])
      and partition = any($3::smallint[])
limit $4;

-- name: held_by_pause
-- Persons with news that is held because one of these cohorts was paused.
select person
from members
where cohort = any($1::int[]) and waits = 5 and usable = any($2::smallint[]) and partition = any($3::smallint[])
limit $4;

-- name: waiting_for_turn
-- Persons whose news waits until one of these channels has a number left, each with its mark.
select person
from members
where cohort = any($1::int[]) and waits > 0 and waits = any($5::smallint[]) and usable = any($2::smallint[])
      and partition = any($3::smallint[])
limit $4;

-- name: read_quotas
-- What went under the limits of an incident.
select cohort, channel, total, day, today from quotas where incident = $1;

-- name: add_quotas
-- Limits under which nothing went yet, in the order of their keys.
insert into quotas (incident, cohort, channel, total, day, today)
select $1, new.cohort, new.channel, 0, '0001-01-01', 0
from unnest($2::int[], $3::smallint[]) as new(cohort, channel)
order by new.cohort, new.channel
on conflict (incident, cohort, channel) do nothing;

-- name: lock_quotas
-- The limits of an incident, those that nobody else is taking from just now.
select cohort, channel, total, day, today from quotas where incident = $1
order by cohort, channel
for update skip locked;

-- name: move_quotas
-- What went under limits that are locked.
update quotas
set total = moved.total, day = moved.day, today = moved.today
from unnest($2::int[], $3::smallint[], $4::bigint[], $5::date[], $6::bigint[])
     as moved(cohort, channel, total, day, today)
where quotas.incident = $1 and quotas.cohort = moved.cohort and quotas.channel = moved.channel;

-- name: take_turns
-- Notices that took a turn of a canary, in the order of their keys.
insert into turns (incident, notice, cohort)
select $1, new.notice, new.cohort
from unnest($2::bytea[], $3::int[]) as new(notice, cohort)
order by new.notice, new.cohort
on conflict (incident, notice, cohort) do nothing;

-- name: end_turns
-- Notices of which the end is known: what they took is given back, or is theirs for good.
delete from turns where incident = $1 and notice = any($2::bytea[])
returning cohort;

-- name: give_back
-- A canary has so many more turns left.
update quotas set total = total - $3 where incident = $1 and cohort = $2 and channel = 0;

-- name: of_cancelled
-- The next rows of an incident, in the order of the key: those of cancelled cohorts that stand as if these were not, or
-- are still marked for something, and the last row that was looked at. No index leads from a cohort to its rows: it
-- would cost every person an entry, for what happens to few cohorts. Retracted rows stay (6, 12), and withdrawn ones are
-- done, told or not (8, 10): looking at those who were told has asked for their notices to be stopped.
with looked_at as materialized (
    select person, nth, cohort, partition, outcome, waits, conflict
    from members
    where incident = $1 and (person, nth) > ($2, $3)
    order by person, nth
    limit $6
),
affected as (
    select person, nth
    from looked_at
    where cohort = any($4::int[]) and partition = any($5::smallint[])
          and (outcome not in (6, 8, 10, 12) or waits > 0 or conflict)
),
last_row as (
    select person, nth from looked_at order by person desc, nth desc limit 1
)
select person, nth, true as affected from affected
union all
select person, nth, false as affected from last_row
order by affected desc, person, nth;

-- name: told_otherwise
-- The next rows of an incident, in the order of the key: the persons among them to whom a notice said what their records
-- do not say now, and the last row that was looked at. Also those of whom a bearer was taken back (10) or is somebody
-- else (6, 12), and those who are several people: what each was told is not to be seen here.
with looked_at as materialized (
    select person, nth
    from members
    where incident = $1 and (person, nth) > ($2, $3)
    order by person, nth
    limit $6
),
said as materialized (
    select members.person,
           bool_or(members.outcome in (6, 10, 12) or members.conflict) as unclear,
           coalesce(bit_or(members.exposed) filter (where flags & 24 = 0 and cohort <> all($4::int[])), 0) as exposed,
           coalesce(bit_or(members.confirmed) filter (where flags & 24 = 0 and cohort <> all($4::int[])), 0)
               as confirmed,
           bool_or(members.notice is not null) as implied,
           coalesce(bit_or(members.exposed) filter (where notice is not null), 0) as first_exposed,
           coalesce(bit_or(members.confirmed) filter (where notice is not null), 0) as first_confirmed
    from (select distinct person from looked_at) as looked
    join members on members.incident = $1 and members.person = looked.person
    where members.partition = any($5::smallint[])
    group by members.person
),
affected as (
    select said.person
    from said
    where said.implied and (said.unclear or (said.first_exposed & ~said.exposed) <> 0
                            or (said.first_confirmed & ~said.confirmed) <> 0)
       or exists (
        select from notices
        where notices.incident = $1 and notices.person = said.person
              and (said.unclear or not notices.void and (notices.exposed & ~said.exposed) <> 0
                   or not notices.void and (notices.confirmed & ~said.confirmed) <> 0)
    )
),
last_row as (
    select person, nth from looked_at order by person desc, nth desc limit 1
)
select person, null::smallint as nth, true as affected from affected
union all
select person, nth, false as affected from last_row
order by affected desc, person;

-- name: share_homes
-- Nobody of the incident moves to another home until this transaction ends.
select pg_advisory_xact_lock_shared($1, $2);

-- name: hold_homes
-- Nobody decides about people of the incident until this transaction ends.
select pg_advisory_xact_lock($1, $2);

-- name: show_marks
-- Whether anybody ever moved, and whether an operator ever said anything of records.
select exists (select from homes where incident = $1) as moved,
       exists (select from judgements where incident = $1) as judged;

-- name: read_judgements
-- What operators say of two of these members, in the order of judgements.Judgement.
select one, one_version, one_witnesses, other, other_version, other_witnesses, are_one
from judgements
where incident = $1 and one = any($2::bytea[]) and other = any($2::bytea[]) and not undone;

-- name: put_judgement
-- What an operator said of pairs of records, in the order of their keys, unless something later was said.
insert into judgements
    (incident, number, are_one, undone, one, one_version, one_witnesses, other, other_version, other_witnesses)
select $1, $2, $3, $4, new.one, new.one_version, new.one_witnesses, new.other, new.other_version, new.other_witnesses
from unnest($5::bytea[], $6::int[], $7::bytea[], $8::bytea[], $9::int[], $10::bytea[])
     as new(one, one_version, one_witnesses, other, other_version, other_witnesses)
order by new.one, new.other
on conflict (incident, one, other) do update
set number = excluded.number, are_one = excluded.are_one, undone = excluded.undone,
    one_version = excluded.one_version, one_witnesses = excluded.one_witnesses,
    other_version = excluded.other_version, other_witnesses = excluded.other_witnesses
where (judgements.number, judgements.undone) < (excluded.number, excluded.undone);

-- name: with_homes
-- The incidents of which anybody ever moved; a look into the key for each, as the limit keeps it from being a join.
select incidents.number
from incidents
cross join lateral (select from homes where homes.incident = incidents.number limit 1) as moved;

-- name: read_homes
-- The homes of these pseudonyms, of those that ever moved.
select pseudonym, home, version from homes where incident = $1 and pseudonym = any($2::bytea[]);

-- name: homes_after
-- The homes of pseudonyms that were at home under one of these before. All that ever moved are looked at: there are few,
-- and what is heard of their notices is rarer still.
select distinct home from homes where incident = $1 and before && $2::bytea[];

-- name: put_homes
-- Newer homes.
insert into homes (incident, pseudonym, home, version, before)
select $1, new.pseudonym, new.home, new.version, array[new.pseudonym]
from unnest($2::bytea[], $3::bytea[], $4::int[]) as new(pseudonym, home, version)
order by new.pseudonym
on conflict (incident, pseudonym) do update
set home = excluded.home, version = excluded.version, before = homes.before || homes.home
where homes.version < excluded.version;

-- name: read_announced
-- How far intake's blocks were said to be known in these partitions, of each, and when.
select partition, up_to, at from announced where partition = any($1::int[]);

-- name: announce
-- It is said how far intake's blocks are known, in the order of the keys. No count falls, so the greater of two is the
-- later one.
insert into announced (at, partition, up_to)
select $1, new.partition, $3::bigint[]
from unnest($2::int[]) as new(partition)
order by new.partition
on conflict (partition) do update set at = excluded.at, up_to = greatest(announced.up_to, excluded.up_to);

-- name: next_numbers
-- The next numbers of blocks of `members.held`.
select nextval('held_numbers') from generate_series(1, $1::int);

-- name: forget_synthetic
-- Drop members of an incident, and the notices of their persons, who came before $3, a bounded number; returns how many
-- went. Nothing holds them: their persons are nobody, and each has one member.
with gone as (
    delete from members
    using (
        select members.incident, person, member
        from incidents
        join members on members.incident = incidents.number
        where incident_id = $1 and partition = any($2::smallint[]) and accepted_at < $3
        limit $4
    ) as old
    where members.incident = old.incident and members.person = old.person and members.member = old.member
    returning members.incident, members.person
), untold as (
    delete from notices using gone where notices.incident = gone.incident and notices.person = gone.person
)
select count(*)::int from gone;
