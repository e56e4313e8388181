-- What the triggers of one table do: each changed cell gets a new version in the tracking table. Silent for the cells that
-- apply marked in this very transaction, and for those only. Rows that a policy hides from it must not be forgotten, so it
-- rather fails (TRUNCATE alone reads the table).
CREATE FUNCTION {routine}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off
AS {body}
