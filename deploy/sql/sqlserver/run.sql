-- What the user that the service logs in as needs in a SQL Server member's database, once it is provisioned.
--
-- Run it in that database as a member of db_owner. Put the user's name for [tributary], and the schemas of the
-- synchronised tables for [dbo]; or grant the same rights on single tables.

GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE ON SCHEMA::[DataSync] TO [tributary];
GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA::[dbo] TO [tributary];
-- Without it nobody sees whether a trigger is still the one that provisioning made.
GRANT VIEW DEFINITION TO [tributary];
GO
-- Only for tables with an IDENTITY column that is synchronised: SET IDENTITY_INSERT asks for ALTER on the table.
-- GRANT ALTER ON OBJECT::[dbo].[Customer] TO [tributary];

-- Only to be told which session holds capture back: on Azure SQL Database
--   GRANT VIEW DATABASE STATE TO [tributary];
-- on a server, in master
--   GRANT VIEW SERVER STATE TO [tributary];

-- Only where columns are masked: without it masks would be published.
-- GRANT UNMASK TO [tributary];
