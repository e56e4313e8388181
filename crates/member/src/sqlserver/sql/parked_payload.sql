-- The payload of a record that has just been parked, where a server's OPENJSON would have cut it.
UPDATE [DataSync].[dss_exceptions] SET [payload] = @P2 WHERE [row_hash] = @P1
