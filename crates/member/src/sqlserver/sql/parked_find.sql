-- What is parked of these cells.
SELECT u.[place], e.[id], e.[generation], e.[log_offset], e.[code], e.[attempts], e.[first_at], e.[waits_for]
FROM {hashes} INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (UPDLOCK, ROWLOCK) ON e.[row_hash] = u.[row_hash]
