-- What the triggers of one table do: each changed cell gets a new version in the tracking table. Silent for the cells that
-- apply marked in this very transaction, and for those only.
CREATE OR REPLACE FUNCTION {routine}() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER
AS {body}
