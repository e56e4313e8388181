-- What the role that provisions a PostgreSQL member needs (`tributary provision`, `deprovision`). Run it with psql as
-- the owner of the tables or a superuser, once, in the member's database:
--
--   psql -v setup_role=tributary_setup -v schema=public -f setup.sql postgresql://…/database
--
-- and again with another `schema` for each schema with synchronised tables. The role owns the sync objects afterwards,
-- and the triggers run as this role: keep it. Tables that `provision` shall create need CREATE on the schema as well.

GRANT CONNECT, CREATE ON DATABASE :"DBNAME" TO :"setup_role";
GRANT USAGE ON SCHEMA :"schema" TO :"setup_role";
-- SELECT: the rows that TRUNCATE deletes are read by the trigger. TRIGGER: to create the triggers.
GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA :"schema" TO :"setup_role";
