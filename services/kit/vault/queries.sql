-- name: next_pages
-- Numbers for new pages.
select nextval('vault.page_numbers') from generate_series(1, $1::int);

-- name: add_key
insert into vault.keys (key_id, incident_id, kek_version, wrapped) values ($1, $2, $3, $4);

-- name: add_page
insert into vault.pages (page, key_id, ends, sealed) values ($1, $2, $3, $4);

-- name: fetch
-- Of every wanted page what lies from one leaf to another: a few people's data, or nearly all of it. What is not
-- wanted is not read, as `sealed` is stored uncompressed.
select page.page, page.first, ends[page.first + 1 : page.last + 2] as ends,
       substring(
           sealed from ends[page.first + 1] + 1 for greatest(0, ends[page.last + 2] - ends[page.first + 1])
       ) as sealed,  -- of bounds that somebody turned round nothing, which does not open
       key.key_id, key.kek_version, key.wrapped
from (
    select pages.*, wanted.first, least(wanted.last, cardinality(pages.ends) - 2) as last
    from unnest($1::bigint[], $2::int[], $3::int[]) as wanted(page, first, last)
    join vault.pages using (page)
) as page
join vault.keys as key using (key_id);

-- name: last_page
-- The page whose number this session took last.
select currval('vault.page_numbers');

-- name: forget_synthetic
select vault.forget_synthetic($1::bigint[]);
