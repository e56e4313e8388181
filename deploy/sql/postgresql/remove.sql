-- Takes back everything: the sync objects, as `tributary deprovision` does, and the rights of the two roles. Works when
-- neither the program nor the broker is there any more. The users' tables and their rows stay as they are. Run it with
-- psql as a superuser or the owner of the database:
--
--   psql -v setup_role=tributary_setup -v run_role=tributary_run -v schema=public -f remove.sql postgresql://…/database

SET lock_timeout = '5s';
-- With the schema go its functions, and with them the triggers on the users' tables.
DROP SCHEMA IF EXISTS "DataSync" CASCADE;
REVOKE ALL ON ALL TABLES IN SCHEMA :"schema" FROM :"setup_role", :"run_role";
REVOKE ALL ON SCHEMA :"schema" FROM :"setup_role", :"run_role";
REVOKE ALL ON DATABASE :"DBNAME" FROM :"setup_role", :"run_role";
