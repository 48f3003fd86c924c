-- name: add_incident
-- Make a place for an incident, so that there is a row to lock. The keys that it begins with, it keeps.
insert into incidents (incident_id, version, document, changed_at, key_versions)
values ($1, 0, '', $2, $3)
on conflict (incident_id) do nothing;

-- name: lock_incident
-- The incident as it stands, for its next version.
select version, document, key_versions from incidents where incident_id = $1 for update;

-- name: change_incident
-- Give an incident its next version.
with changed as (
    update incidents set version = $2, document = $3, changed_at = $4 where incident_id = $1
)
insert into incident_versions (incident_id, version, document, changed_at) values ($1, $2, $3, $4);

-- name: read_document
-- A version's document.
select document from incident_versions where incident_id = $1 and version = $2;

-- name: mark_reissue
-- Note that notices which wait shall follow a version.
update incident_versions set reissued = true where incident_id = $1 and version = $2;

-- name: is_reissue
-- Whether they do.
select reissued from incident_versions where incident_id = $1 and version = $2;

-- name: asked_change
-- The change of an incident's document that was asked for last.
select number, version, document, reissue, asked_by, approved_by from asked_changes where incident_id = $1;

-- name: ask_change
-- Note what is asked for, in place of what was before.
insert into asked_changes (incident_id, asked_at, number, version, document, reissue, asked_by)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (incident_id) do update
set asked_at = excluded.asked_at, number = excluded.number, version = excluded.version, document = excluded.document,
    reissue = excluded.reissue, asked_by = excluded.asked_by, approved_by = null;

-- name: approve_change
-- Note who approved it.
update asked_changes set approved_by = $2 where incident_id = $1;

-- name: count_versions
-- What an incident's versions come to: their bytes together, and how many are from $2 on.
select coalesce(sum(length(document)), 0)::bigint as size, count(*) filter (where changed_at >= $2) as lately
from incident_versions
where incident_id = $1;

-- name: show_incident
-- The incident as it stands.
select version, document, changed_at, key_versions from incidents where incident_id = $1 and version > 0;

-- name: hold_incident
-- The incident as it stands, kept from being changed until this transaction ends.
select version, document, changed_at, key_versions from incidents where incident_id = $1 and version > 0 for share;

-- name: lock_known_incident
-- An incident that is known, and who paused it; nothing of it is opened, released or resumed until this transaction ends.
select version, paused_by from incidents where incident_id = $1 and version > 0 for update;

-- name: paused_by
-- Who paused an incident.
select paused_by from incidents where incident_id = $1;

-- name: pause_incident
-- Note who paused an incident; null = nobody any more.
update incidents set paused_by = $2 where incident_id = $1;

-- name: list_cohorts
-- The cohorts of an incident.
select cohort_id, number, version, source, declared, auto_release, sealed, released, changed_at, release_after, cancelled,
       paused_since, resumed_after, canary, per_day, word_group, release_asked_by, release_approved_by,
       asked_canary, asked_per_day, paused_by, stopped, counted_from, figures, figures_before
from cohorts
where incident_id = $1
order by cohort_id;

-- name: record_acts
-- Note who did what. A chunk of an upload that is tried again notes it once.
insert into acts (done_at, principal, act, incident_id, cohort_id, version, upload, request_id, member, detail)
select $1, done.principal, done.act, done.incident_id, done.cohort_id, done.version, done.upload, done.request_id,
       done.member, done.detail::jsonb
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::text[], $9::bytea[],
            $10::text[])
     as done(principal, act, incident_id, cohort_id, version, upload, request_id, member, detail)
on conflict (upload) do nothing;

-- name: list_acts
-- Who did what to an incident and its cohorts, from the oldest.
select number, done_at, principal, act, cohort_id, version, request_id, detail
from acts
where incident_id = $1 and number > $2
order by number
limit $3;

-- name: add_cohort
-- Open a cohort; no row comes back where it is there already.
insert into cohorts (
    incident_id, cohort_id, version, source, declared, auto_release, sealed, released, changed_at, release_after,
    word_group, paused_since
)
values ($1, $2, 1, $3, $4, $5, false, false, $6, $7::bigint[], $8, $9)
on conflict (incident_id, cohort_id) do nothing
returning number;

-- name: lock_cohort
-- The cohort as it stands, for its next version.
select number, version, source, declared, auto_release, sealed, released, changed_at, release_after, cancelled,
       paused_since, resumed_after, canary, per_day, word_group, release_asked_by, release_approved_by,
       asked_canary, asked_per_day, paused_by, stopped, counted_from, figures, figures_before
from cohorts
where incident_id = $1 and cohort_id = $2
for update;

-- name: show_cohort
-- The cohort as it stands.
select number, version, source, declared, auto_release, sealed, released, changed_at, release_after, cancelled,
       paused_since, resumed_after, canary, per_day, word_group, release_asked_by, release_approved_by,
       asked_canary, asked_per_day, paused_by, stopped, counted_from, figures, figures_before
from cohorts
where incident_id = $1 and cohort_id = $2;

-- name: change_cohort
-- Give a cohort its next version.
update cohorts
set version = $3, declared = $4, auto_release = $5, sealed = $6, released = $7, changed_at = $8,
    release_after = $9::bigint[], cancelled = $10, paused_since = $11, resumed_after = $12::bigint[], canary = $13,
    per_day = $14, counted_from = $15, figures = $16::bigint[], figures_before = $17::bigint[]
where incident_id = $1 and cohort_id = $2;

-- name: note_pause
-- Who paused a cohort, its incident aside, and what a stop rule found; null = nobody, nothing.
update cohorts set paused_by = $3, stopped = $4::jsonb where incident_id = $1 and cohort_id = $2;

-- name: note_release
-- Who asked for what release of a cohort, and who approved it.
update cohorts
set release_asked_by = $3, release_approved_by = $4, asked_canary = $5, asked_per_day = $6
where incident_id = $1 and cohort_id = $2;

-- name: show_uses
-- What the accepted members of a cohort use.
select categories, languages, certainties from uses where cohort = $1;

-- name: grow_uses
-- Note what members use, where it was not noted yet; nothing is written for all the others.
insert into uses (cohort, categories, languages, certainties)
select $1, $2::bigint, $3::text[], $4::text[]
where not exists (
    select from uses
    where cohort = $1 and categories & $2::bigint = $2::bigint and languages @> $3::text[] and certainties @> $4::text[]
)
on conflict (cohort) do update
set categories = uses.categories | excluded.categories,
    languages = array(select distinct unnest(uses.languages || excluded.languages) order by 1),
    certainties = array(select distinct unnest(uses.certainties || excluded.certainties) order by 1);

-- name: hold_cohort
-- The cohort as it stands, kept from being sealed until this transaction ends.
select number, version, source, declared, auto_release, sealed, released, changed_at, release_after, cancelled,
       paused_since, resumed_after, canary, per_day, word_group, release_asked_by, release_approved_by,
       asked_canary, asked_per_day, paused_by, stopped, counted_from, figures, figures_before
from cohorts
where incident_id = $1 and cohort_id = $2
for share;

-- name: count_cohort
-- What intake counted of a cohort.
select counts, sequence from totals where scope = $1 and source = 'intake';

-- name: lock_members
-- What is known of these members; the rows are locked in the order of their keys.
select member, version, pseudonym, content, upload, contact_since
from members
where member = any($1::bytea[])
order by member
for update;

-- name: add_members
-- New members, in the order of their keys; those that another upload added meanwhile do not come back.
insert into members (upload, version, cohort, contact_since, ref_block, member, pseudonym, content, likeness)
select $1, 1, $2, 1, $3, new.member, new.pseudonym, new.content, new.likeness
from unnest($4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[]) as new(member, pseudonym, content, likeness)
order by new.member
on conflict (member) do nothing
returning member;

-- name: correct_members
-- Their next versions; the rows are locked already.
update members
set upload = $1, ref_block = $2, version = changed.version, contact_since = changed.contact_since,
    pseudonym = changed.pseudonym, content = changed.content, likeness = changed.likeness
from unnest($3::bytea[], $4::int[], $5::int[], $6::bytea[], $7::bytea[], $8::bytea[])
     as changed(member, version, contact_since, pseudonym, content, likeness)
where members.member = changed.member;

-- name: touch_members
-- Note that this upload said them too, so that it cannot say something else later.
update members set upload = $1 where member = any($2::bytea[]) and upload <> $1;

-- name: next_reference_block
-- A number for a block of memberRefs.
select nextval(pg_get_serial_sequence('reference_blocks', 'number'))::int;

-- name: add_reference_block
insert into reference_blocks (number, cohort, sealed) overriding system value values ($1, $2, $3);

-- name: sealed_references
select number, sealed from reference_blocks where number = any($1::int[]);

-- name: rejected_before
-- Which of these records are counted as rejected.
select record from rejections where record = any($1::bytea[]);

-- name: still_rejected
-- Which of these records are rejected, and were not withdrawn.
select record from rejections where record = any($1::bytea[]) and not withdrawn;

-- name: lock_totals
-- The cohort's totals; whoever has this row decides alone what is rejected and what is accepted.
insert into totals (scope, source, sequence, counts, first_at)
values ($1, 'intake', 0, '{0,0,0,0}', $2)
on conflict (scope, source) do update set scope = excluded.scope
returning sequence, counts, first_at;

-- name: move_totals
-- The cohort's totals after this chunk.
update totals set sequence = $2, counts = $3::bigint[] where scope = $1 and source = 'intake';

-- name: recount
-- The rows of each cohort, of one incident or of all; every row is read, so nothing but `heraut ledger --recount` asks.
-- Rows of a cohort that is not known are named by its number.
select coalesce(cohorts.incident_id || '/' || cohorts.cohort_id, '?/' || kept.cohort) as scope,
       coalesce(kept.members, 0) as members, coalesce(kept.rejected, 0) as rejected,
       coalesce(kept.discarded, 0) as discarded
from cohorts
full join (
    select cohort, sum(members)::bigint as members, sum(rejected)::bigint as rejected,
           sum(discarded)::bigint as discarded
    from (
        select cohort, count(*) as members, 0 as rejected, 0 as discarded from members group by cohort
        union all
        select cohort, 0, count(*) filter (where not withdrawn), count(*) filter (where withdrawn)
        from rejections
        group by cohort
    ) as either
    group by cohort
) as kept on kept.cohort = cohorts.number
where $1::text is null or cohorts.incident_id = $1;

-- name: take_back_rejections
-- Records that come back valid are rejected no more, or discarded no more.
delete from rejections where record = any($1::bytea[]) returning withdrawn;

-- name: accepted_before
-- Which of these records are accepted members: one that comes back invalid stays accepted.
select member from members where member = any($1::bytea[]);

-- name: add_rejections
-- Records rejected for the first time come back, those that were withdrawn meanwhile (they are rejected again), and
-- those that are rejected for another reason or on another line now. What each was before says how it is counted; the
-- caller has the cohort's totals locked, so nobody else changes it.
with new as (
    select n.record, n.line, string_to_array(n.fields, ',') as fields, string_to_array(n.problems, ',') as problems
    from unnest($4::bytea[], $5::bigint[], $6::text[], $7::text[]) as n(record, line, fields, problems)
),
before as (
    select record, withdrawn from rejections where record in (select record from new)
),
written as (
    insert into rejections (record, cohort, ref_block, line, fields, problems, rejected_at)
    select record, $1, $2, line, fields, problems, $3
    from new
    order by record
    on conflict (record) do update
    set line = excluded.line, ref_block = excluded.ref_block, fields = excluded.fields, problems = excluded.problems,
        rejected_at = case when rejections.withdrawn then excluded.rejected_at else rejections.rejected_at end,
        withdrawn = false
    where rejections.withdrawn
       or (rejections.line, rejections.fields, rejections.problems)
          is distinct from (excluded.line, excluded.fields, excluded.problems)
    returning record
)
select written.record, before.withdrawn -- null = it was not rejected before
from written
left join before using (record);

-- name: list_rejected
-- Rejected records of a cohort, past this line and record; those that were withdrawn are nobody's work.
select record, ref_block, line, fields, problems, rejected_at
from rejections
where cohort = $1 and (line, record) > ($2, $3) and not withdrawn
order by line, record
limit $4;

-- name: note_unsettled
-- What deduplication says of these members, unless it said something later: its blocks are numbered over all
-- partitions.
insert into unsettled
    (sequence, cohort, ref_block, version, unprinted, reason, incident_id, member, pseudonym, since, why, fields)
select $1, members.cohort, members.ref_block, new.version, 0, new.reason, cohorts.incident_id, new.member,
       members.pseudonym, $2, '', '{}'
from unnest($3::bytea[], $4::int[], $5::smallint[]) as new(member, version, reason)
join members using (member)
join cohorts on cohorts.number = members.cohort
order by new.member
on conflict (member) do update
set sequence = excluded.sequence, ref_block = excluded.ref_block, version = excluded.version, reason = excluded.reason,
    pseudonym = excluded.pseudonym,
    since = case when unsettled.reason = excluded.reason and excluded.reason > 0
                 then unsettled.since else excluded.since end
where (unsettled.version, unsettled.sequence) < (excluded.version, excluded.sequence);

-- name: note_unprinted
-- Members whose letters cannot be printed, or whose notice came back, for these fields; of a member the highest version
-- holds, and of one version what was said last.
insert into unsettled
    (sequence, cohort, ref_block, version, unprinted, reason, incident_id, member, pseudonym, since, came_back, why,
     fields)
select 0, members.cohort, members.ref_block, 0, new.version, 0, cohorts.incident_id, new.member, members.pseudonym, $1,
       $1, $5, $2
from unnest($3::bytea[], $4::int[]) as new(member, version)
join members using (member)
join cohorts on cohorts.number = members.cohort
order by new.member
on conflict (member) do update
set ref_block = excluded.ref_block, unprinted = excluded.unprinted, came_back = excluded.came_back,
    why = excluded.why, fields = excluded.fields
where unsettled.unprinted < excluded.unprinted
    or (unsettled.unprinted = excluded.unprinted and unsettled.why <> excluded.why);

-- name: list_unsettled
-- Members of a cohort that are held or told apart, past this block and member. Who was corrected or withdrawn since then
-- is not among them until deduplication has looked at that; nor whose contact data is another than what could not be
-- printed.
select unsettled.member, unsettled.ref_block as listed, members.ref_block,
       case when unsettled.version = members.version then unsettled.reason else 0 end as reason, unsettled.since,
       case when unsettled.unprinted >= members.contact_since and members.content <> '' then unsettled.came_back end,
       unsettled.fields, unsettled.why
from unsettled
join members using (member)
where unsettled.cohort = $1 and (unsettled.ref_block, unsettled.member) > ($2, $3)
  and (unsettled.reason > 0 or unsettled.unprinted > 0) -- as in the index, which is not found otherwise
  and (unsettled.reason > 0 and unsettled.version = members.version
       or unsettled.unprinted >= members.contact_since and members.content <> '')
order by unsettled.ref_block, unsettled.member
limit $4;

-- name: list_conflicts
-- The next identities whose records contradict each other, or one another under the same home: of a home the first one
-- stands for all. $3 = the sources of which there has to be such a record; null = any.
select distinct listed.pseudonym
from unsettled as listed
join members using (member)
join cohorts on cohorts.number = listed.cohort
where listed.incident_id = $1 and listed.pseudonym > $2 and listed.reason in (3, 4, 5)
  and listed.version = members.version and ($3::text[] is null or cohorts.source = any($3))
  and not exists (
      select
      from homes as own
      join homes as other on other.incident_id = own.incident_id and other.home = own.home
      join unsettled as earlier on earlier.incident_id = other.incident_id and earlier.pseudonym = other.pseudonym
      join members as same on same.member = earlier.member
      join cohorts as theirs on theirs.number = earlier.cohort
      where own.incident_id = $1 and own.pseudonym = listed.pseudonym and other.pseudonym < listed.pseudonym
        and earlier.reason in (3, 4, 5) and earlier.version = same.version
        and ($3::text[] is null or theirs.source = any($3))
  )
order by listed.pseudonym
limit $4;

-- name: list_conflicting
-- The records of these conflicts, so many of each at most, and how many each has in all. $3 = the sources whose records
-- are shown; null = all. `offset 0` has each identity looked up, where a plan might look through the whole incident.
with sharing as (
    select one.pseudonym as conflict, one.pseudonym
    from unnest($2::bytea[]) as one(pseudonym)
    union
    select own.pseudonym, other.pseudonym
    from homes as own
    join homes as other on other.incident_id = own.incident_id and other.home = own.home
    where own.incident_id = $1 and own.pseudonym = any($2::bytea[])
),
found as (
    select sharing.conflict, listed.member, listed.version, listed.reason, listed.since, members.ref_block,
           cohorts.cohort_id, cohorts.source, count(*) over (partition by sharing.conflict) as records,
           row_number() over (
               partition by sharing.conflict, $3::text[] is null or cohorts.source = any($3)
               order by cohorts.number, listed.member
           ) as place
    from sharing
    cross join lateral (
        select member, version, cohort, reason, since
        from unsettled
        where unsettled.pseudonym = sharing.pseudonym and unsettled.reason > 0
        offset 0
    ) as listed
    join members on members.member = listed.member and members.version = listed.version
    join cohorts on cohorts.number = listed.cohort
)
select conflict, member, version, reason, since, ref_block, cohort_id, source, records
from found
where place <= $4 and ($3::text[] is null or source = any($3))
order by conflict, place;

-- name: rejected_as
-- A record that is counted as rejected, or was until it was withdrawn.
select record, withdrawn from rejections where record = $1;

-- name: rejected_on_line
-- Records that were rejected on this line of some upload. Two are enough to know that the line names none of them.
select record, withdrawn from rejections where cohort = $1 and line = $2 limit 2;

-- name: withdraw_rejected
-- A rejected record that its source takes back.
update rejections set withdrawn = true where record = $1;

-- name: withdraw_member
-- Its next version says nothing. The upload stays: a repeat within it is no later word than this.
update members set version = version + 1, content = '' where member = $1;

-- name: ever_permitted
-- Whether any notice of the incident was ever let go; a permission that was taken back has its act as well.
select exists (
    select 1 from acts
    where incident_id = $1 and act in ('auto-release-set', 'cohort-released', 'cohort-approved')
);

-- name: find_answer
-- The answer that was given to this key.
select body, status, answer from answers where key = $1;

-- name: keep_answer
-- Remember an answer; no row comes back where another request was first.
insert into answers (key, body, status, answer, answered_at)
values ($1, $2, $3, $4, $5)
on conflict (key) do nothing
returning key;

-- name: forget_answers
-- Drop answers that nobody will ask for again.
delete from answers
where key in (select key from answers where answered_at < $1 order by answered_at limit $2);

-- name: forget_settled
-- Drop what was said of members that are nobody's work since before $1, a bounded number; returns how many went.
with gone as (
    delete from unsettled using (
        select member from unsettled where reason = 0 and unprinted = 0 and since < $1 order by since limit $2
    ) as old
    where unsettled.member = old.member
    returning 1
)
select count(*) from gone;

-- name: take_event
-- Note an event; no row comes back where it was taken before.
insert into events (event, taken_at) values ($1, $2) on conflict (event) do nothing returning event;

-- name: forget_events
-- Drop events older than the topic could still hold.
delete from events
where event in (select event from events where taken_at < $1 order by taken_at limit $2);

-- name: share_matching
-- Keep the stage of an incident's matching from changing until this transaction ends. It is read in a statement after
-- this one, which sees what was waited for.
select pg_advisory_xact_lock_shared(1212502356, hashtext($1));

-- name: hold_matching
-- Wait until nobody takes members of an incident, and keep others from it until this transaction ends.
select pg_advisory_xact_lock(1212502356, hashtext($1));

-- name: show_matching
-- How far an incident's matching is.
select matching from incidents where incident_id = $1;

-- name: lock_matching
-- How far an incident's matching is, locked for the next step.
select matching, matched_to from incidents where incident_id = $1 for update;

-- name: begin_matching
-- From now on every chunk notes what its records match.
update incidents set matching = 1 where incident_id = $1 and matching = 0;

-- name: fill_matches
-- Note what the next members match that were there before, in the order of their key; one row tells how far that is.
with looked_at as materialized (
    select member, cohort, pseudonym, likeness from members where member > $2 order by member limit $4
),
found as (
    select ('x' || encode(substr(likeness, 1, $3), 'hex'))::bit(64)::bigint as match, min(cohort) as cohort,
           array_agg(distinct pseudonym || substr(likeness, $3 + 1)) as profiles
    from looked_at
    where likeness <> '' and cohort in (select number from cohorts where incident_id = $1)
    group by 1
),
filled as (
    insert into matches (cohort, match, profiles)
    select cohort, match, profiles from found order by match
    on conflict (match) do update
    set profiles = array(select distinct unnest(matches.profiles || excluded.profiles) order by 1)
)
select (select member from looked_at order by member desc limit 1) as last; -- no max(bytea) before PostgreSQL 18

-- name: note_matching
-- How far the members that were there before are noted; with null, all are.
update incidents set matching = case when $2::bytea is null then 2 else 1 end, matched_to = coalesce($2, '')
where incident_id = $1;

-- name: hold_matches
-- One transaction at a time notes what an incident's records match, until it ends.
select pg_advisory_xact_lock(1212502357, hashtext($1));

-- name: find_matches
-- Those of these match keys that are known.
select match from matches where match = any($1::bigint[]);

-- name: read_matches
-- What is known of these match keys.
select match, profiles from matches where match = any($1::bigint[]);

-- name: grow_matches
-- More that was said of match keys; a line for each profile.
update matches set profiles = matches.profiles || more.profiles
from (
    select match, array_agg(profile order by profile) as profiles
    from unnest($1::bigint[], $2::bytea[]) as said(match, profile)
    group by match
) as more
where matches.match = more.match;

-- name: has_moved
-- Whether any home of an incident was ever moved.
select exists (select from homes where incident_id = $1 and version > 0);

-- name: find_homes
-- The homes of these pseudonyms, of those that were ever moved.
select pseudonym, home, version from homes where incident_id = $1 and pseudonym = any($2::bytea[]) and version > 0;

-- name: add_homes
-- Pseudonyms that are tied for the first time, in their order: each is its own home.
insert into homes (version, incident_id, pseudonym, home)
select 0, $1, new.pseudonym, new.pseudonym
from unnest($2::bytea[]) as new(pseudonym)
order by new.pseudonym
on conflict (incident_id, pseudonym) do nothing;

-- name: lock_homes
-- The homes of these pseudonyms and of all that share one with them, locked in the order of their keys.
select pseudonym, home, version
from homes
where incident_id = $1
      and (pseudonym = any($2::bytea[])
           or home in (select home from homes where incident_id = $1 and pseudonym = any($2::bytea[])))
order by pseudonym
for update;

-- name: move_homes
-- The next versions of homes that are locked.
update homes set home = moved.home, version = moved.version
from unnest($2::bytea[], $3::bytea[], $4::int[]) as moved(pseudonym, home, version)
where homes.incident_id = $1 and homes.pseudonym = moved.pseudonym;

-- name: find_ties
-- The ties of these match keys' pseudonyms.
select matched, numbered, state, fields, decided_by is null as by_rule
from ties
where incident_id = $1 and matched = any($2::bytea[]);

-- name: list_made
-- The ties that hold between these pseudonyms.
select matched, numbered
from ties
where incident_id = $1 and state = 'made' and matched = any($2::bytea[]) and numbered = any($2::bytea[]);

-- name: put_ties
-- Ties as the rule has them now.
insert into ties (cohort, incident_id, state, fields, matched, numbered, record, decided_at)
select $1, $2, new.state, string_to_array(new.fields, ','), new.matched, new.numbered, new.record, $3
from unnest($4::text[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[])
     as new(state, fields, matched, numbered, record)
order by new.matched, new.numbered
on conflict (incident_id, matched, numbered) do update
set cohort = excluded.cohort, state = excluded.state, fields = excluded.fields, record = excluded.record,
    decided_at = excluded.decided_at
where ties.decided_by is null;

-- name: list_ties
-- Ties of an incident from one number on, with the cohort and the source of the record that showed each.
select ties.number, ties.state, ties.fields, ties.decided_at, ties.decided_by, cohorts.cohort_id, cohorts.source,
       ties.record, ties.matched, ties.numbered
from ties
join cohorts on cohorts.number = ties.cohort
where ties.incident_id = $1 and ties.number > $2 and ($3::text is null or ties.state = $3)
order by ties.number
limit $4;

-- name: lock_tie
-- A tie, locked for what an operator says of it.
select ties.state, ties.matched, ties.numbered, ties.record, cohorts.cohort_id
from ties
join cohorts on cohorts.number = ties.cohort
where ties.incident_id = $1 and ties.number = $2
for update of ties;

-- name: settle_tie
-- What an operator said of a tie.
update ties set state = $2, decided_by = $3, decided_at = $4 where number = $1;

-- name: cohorts_of_records
-- The cohorts of records of an incident, in the order of their ids.
select distinct cohorts.cohort_id
from members
join cohorts on cohorts.number = members.cohort
where cohorts.incident_id = $1 and members.member = any($2::bytea[])
order by cohorts.cohort_id;

-- name: lock_records
-- Records of an incident as they stand, locked in the order of their keys; $3 = the bytes before a likeness's witnesses.
select members.member, members.version, members.pseudonym, substr(members.likeness, $3::int + 1) as witnesses,
       members.content = '' as withdrawn, members.cohort, cohorts.cohort_id
from members
join cohorts on cohorts.number = members.cohort
where cohorts.incident_id = $1 and members.member = any($2::bytea[])
order by members.member
for update of members;

-- name: connected_judgements
-- The judgements that stand about these records, and about all records that one of them leads to: a row for each record,
-- with what is known of it now; $3 = the bytes before a likeness's witnesses.
with recursive connected as (
    select unnest($2::bytea[]) as member
    union
    select other.member
    from connected
    join judged as own on own.member = connected.member
    join judgements on judgements.number = own.judgement
    join judged as other on other.judgement = own.judgement
    where judgements.incident_id = $1 and judgements.undone_at is null
)
select judgements.number, judgements.people, judged.member, judged.version,
       judged.version = members.version
       or judged.witnesses <> '' and judged.witnesses = substr(members.likeness, $3::int + 1) as still
from judgements
join judged on judged.judgement = judgements.number
join members on members.member = judged.member
where judgements.incident_id = $1 and judgements.undone_at is null
      and judgements.number in (select judgement from judged where member in (select member from connected))
order by judgements.number;

-- name: add_judgement
-- What an operator says of records.
insert into judgements (incident_id, people, evidence, reference, decided_at, decided_by)
values ($1, $2, $3, $4, $5, $6)
returning number;

-- name: add_judged
-- The records that it is about.
insert into judged (judgement, cohort, version, member, witnesses)
select $1, new.cohort, new.version, new.member, new.witnesses
from unnest($2::int[], $3::int[], $4::bytea[], $5::bytea[]) as new(cohort, version, member, witnesses);

-- name: lock_judgement
-- A judgement, locked to be undone.
select people, undone_at from judgements where incident_id = $1 and number = $2 for update;

-- name: undo_judgement
-- An operator says it no more.
update judgements set undone_at = $2, undone_by = $3 where number = $1;

-- name: judged_records
-- The records of a judgement as they were seen.
select member, version, witnesses from judged where judgement = $1 order by member;

-- name: list_judgements
-- Judgements of an incident past this number. $3 = the sources of which one of its records has to be; null = any.
select number, people, evidence, reference, decided_at, decided_by, undone_at, undone_by
from judgements
where incident_id = $1 and number > $2
      and ($3::text[] is null or exists (
          select from judged
          join cohorts on cohorts.number = judged.cohort
          where judged.judgement = judgements.number and cohorts.source = any($3)
      ))
order by number
limit $4;

-- name: list_judged
-- The records of judgements, and whether each says still what it said then of whom it is about; $2 = the bytes before a
-- likeness's witnesses.
select judged.judgement, judged.member, judged.version, members.ref_block, cohorts.cohort_id, cohorts.source,
       judged.version = members.version
       or judged.witnesses <> '' and judged.witnesses = substr(members.likeness, $2::int + 1) as still
from judged
join members on members.member = judged.member
join cohorts on cohorts.number = judged.cohort
where judged.judgement = any($1::bigint[])
order by judged.judgement, cohorts.number, judged.member;

-- name: take_synthetic_turn
-- The number of the next synthetic person, where the one before was sent by $2; else nothing comes back.
insert into synthetic_turns (at, number) values ($1, 0)
on conflict (sole) do update set at = excluded.at, number = synthetic_turns.number + 1
where synthetic_turns.at <= $2
returning number;

-- name: add_synthetic
-- Wait for a synthetic person.
insert into synthetic (sent_at, page, partition, channel, member) values ($5, $2, $3, $4, $1);

-- name: lose_synthetic
-- Give up synthetic people who should have arrived.
update synthetic set lost = true where not lost and sent_at < $1 returning partition, channel;

-- name: missing_synthetic
-- How many were given up and did not arrive since, by their ways.
select partition, channel, count(*)::int as people from synthetic where lost group by partition, channel;

-- name: arrive_synthetic
-- These are waited for no more.
delete from synthetic where member = any($1::bytea[]) returning member, page, partition, channel, sent_at;

-- name: forget_synthetic
-- Nor is who was sent before then, whether it arrived or not.
delete from synthetic where sent_at < $1 returning member, page, partition, channel, sent_at;

-- name: forget_synthetic_members
-- Take away what is known of members who were synthetic people.
with gone as (
    delete from members where member = any($1::bytea[]) returning member, ref_block
), unsaid as (
    delete from unsettled using gone where unsettled.member = gone.member
)
delete from reference_blocks using gone where reference_blocks.number = gone.ref_block;
