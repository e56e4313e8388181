-- What the role needs under which the program runs day by day (`tributary run`, `status`, `verify`). Run it with psql
-- after `tributary provision`, as the owner of the tables or a superuser:
--
--   psql -v setup_role=tributary_setup -v run_role=tributary_run -v schema=public -f run.sql postgresql://…/database
--
-- and again with another `schema` for each schema with synchronised tables. A table with row-level security asks for
-- `ALTER ROLE … BYPASSRLS` besides: rows that a policy hides would look deleted.

GRANT CONNECT ON DATABASE :"DBNAME" TO :"run_role";
GRANT USAGE ON SCHEMA "DataSync" TO :"run_role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "DataSync" TO :"run_role";
GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA "DataSync" TO :"run_role";
-- For tables that join later.
ALTER DEFAULT PRIVILEGES FOR ROLE :"setup_role" IN SCHEMA "DataSync"
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO :"run_role";
ALTER DEFAULT PRIVILEGES FOR ROLE :"setup_role" IN SCHEMA "DataSync"
  GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO :"run_role";
GRANT USAGE ON SCHEMA :"schema" TO :"run_role";
-- A member that only publishes needs SELECT alone.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA :"schema" TO :"run_role";
