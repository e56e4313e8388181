-- What the user that runs `tributary deprovision` needs, and how to take all rights back afterwards.
--
-- Run the first part as a member of db_owner before, the second one after `tributary deprovision`. Put the users' names
-- for [tributary_setup] and [tributary].

GRANT CONTROL ON SCHEMA::[DataSync] TO [tributary_setup];
GRANT ALTER ON SCHEMA::[dbo] TO [tributary_setup];
GRANT VIEW DEFINITION TO [tributary_setup];
GO
-- After the removal. The schema DataSync, and the rights in it, are gone by then.
REVOKE CREATE TABLE, CREATE PROCEDURE, VIEW DEFINITION FROM [tributary_setup];
REVOKE ALTER, REFERENCES, SELECT ON SCHEMA::[dbo] FROM [tributary_setup];
REVOKE SELECT, INSERT, UPDATE, DELETE ON SCHEMA::[dbo] FROM [tributary];
REVOKE VIEW DEFINITION FROM [tributary];
GO
