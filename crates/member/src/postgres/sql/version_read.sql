-- The last version that was given (1 stands for rows that were there before), and this transaction's number.
SELECT CASE WHEN is_called THEN last_value ELSE 1 END, pg_current_xact_id()::text::int8 FROM "DataSync".dss_version
