-- Rows that a policy hides would look deleted: rather an error. Notices are of no use to us, and compiling costs more
-- than our statements do. Reads wait for a table's strongest lock too, and so does preparing a statement outside of a
-- transaction: without a limit whoever calls would stand still, unseen. A lower limit of the server's stays.
SET row_security = off;
SET client_min_messages = warning;
SET jit = off;
SELECT pg_catalog.set_config('lock_timeout', '{lock_timeout}', false)
FROM pg_catalog.pg_settings
WHERE name = 'lock_timeout' AND setting::int8 NOT BETWEEN 1 AND {lock_timeout};
