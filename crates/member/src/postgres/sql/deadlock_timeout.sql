-- How long a session waits for a lock before it looks for a deadlock, in milliseconds.
SELECT setting::int8 FROM pg_catalog.pg_settings WHERE name = 'deadlock_timeout'
