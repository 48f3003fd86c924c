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
