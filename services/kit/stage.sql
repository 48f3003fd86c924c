-- Named queries of the stage. `log.*` is shared by all rooms; every other table is the room's own, found on the
-- search path. Locks are taken in one order everywhere: owner, input, effects by key, shared rows by key, heads.

-- name: append
-- Give blocks the next sequences of their heads, and write them. $2-$4: places and how many blocks each gets;
-- $5-$8: the blocks in order.
with head as (
  insert into log.head as head (source, topic, partition, last_seq)
  select $1::text, place.topic, place.partition, place.blocks
  from unnest($2::text[], $3::int[], $4::bigint[]) as place(topic, partition, blocks)
  order by place.topic, place.partition
  on conflict (source, topic, partition) do update set last_seq = head.last_seq + excluded.last_seq
  returning head.topic, head.partition, head.last_seq
), numbered as (
  select output.*,
         row_number() over (partition by output.topic, output.partition order by output.place desc) - 1 as from_last
  from unnest($5::text[], $6::int[], $7::bytea[], $8::bytea[]) with ordinality
    as output(topic, partition, headers, block, place)
)
insert into log.log (source, topic, partition, seq, headers, block)
select $1::text, numbered.topic, numbered.partition, head.last_seq - numbered.from_last, numbered.headers, numbered.block
from numbered join head using (topic, partition)
order by numbered.topic, numbered.partition, numbered.place;

-- name: move_totals
-- Add to the totals of a source; rows of $4 counters each lie one after the other in $3. A row that was written
-- with fewer counters than there are now grows.
insert into totals as total (scope, source, sequence, counts, first_at)
select change.scope, $1::text, 1, ($3::bigint[])[(change.place - 1) * $4::int + 1 : change.place * $4::int],
       clock_timestamp()
from unnest($2::text[]) with ordinality as change(scope, place)
order by change.scope
on conflict (scope, source) do update
set sequence = total.sequence + 1,
    counts = (
      select array_agg(coalesce(pair.old, 0) + coalesce(pair.more, 0) order by pair.place)
      from unnest(total.counts, excluded.counts) with ordinality as pair(old, more, place)
    )
returning total.scope, total.sequence, total.counts, (extract(epoch from total.first_at) * 1000)::bigint;
