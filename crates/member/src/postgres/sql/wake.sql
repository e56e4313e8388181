-- Capture is awake: nobody needs to notify it. Gives the transaction's number.
SELECT pg_current_xact_id()::text::int8 FROM setval('"DataSync".dss_sleep', 1)
