-- Until when the triggers notify capture; gives the transaction's number.
SELECT pg_current_xact_id()::text::int8
FROM setval('"DataSync".dss_sleep', extract(epoch FROM clock_timestamp())::int8 + $1::int8)
