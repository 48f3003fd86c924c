-- The login of who reads PostgreSQL's figures: no table of ours, nothing that anybody's statement says of a person.
\set ON_ERROR_STOP on
\set password `cat /run/secrets/postgres_login_exporter`
select 'create role heraut_exporter' where not exists (select from pg_roles where rolname = 'heraut_exporter') \gexec
alter role heraut_exporter login connection limit 5 password :'password';
grant connect on database heraut to heraut_exporter;
grant pg_read_all_settings, pg_read_all_stats to heraut_exporter;
