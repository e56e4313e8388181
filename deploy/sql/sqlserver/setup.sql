-- What the user that runs `tributary provision` needs in a SQL Server member's database.
--
-- Run it in that database as a member of db_owner. Put the user's name for [tributary_setup], and the schemas of the
-- synchronised tables for [dbo]. Afterwards run `run.sql` for the user that the service logs in as.

-- Readers must see snapshots. Waits for transactions that are open now; nobody is disconnected.
ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON;
GO
-- The schema belongs to dbo, as the tables do, so that users need no rights in it for what their triggers do.
IF SCHEMA_ID(N'DataSync') IS NULL EXEC (N'CREATE SCHEMA [DataSync] AUTHORIZATION [dbo]');
GO
GRANT CREATE TABLE, CREATE PROCEDURE TO [tributary_setup];
GRANT CONTROL ON SCHEMA::[DataSync] TO [tributary_setup];
GRANT VIEW DEFINITION TO [tributary_setup];
GO
-- For the triggers on the synchronised tables, and for tables that provisioning makes. For fewer rights, grant ALTER on
-- single tables: GRANT ALTER ON OBJECT::[dbo].[Customer] TO [tributary_setup].
GRANT ALTER, REFERENCES, SELECT ON SCHEMA::[dbo] TO [tributary_setup];
GO
