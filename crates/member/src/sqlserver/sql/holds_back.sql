-- The session of the oldest open transaction that has written to this database.
SELECT TOP (1)
  CAST(s.[session_id] AS int),
  s.[login_name],
  s.[program_name],
  s.[host_name],
  CAST(DATEDIFF(SECOND, d.[database_transaction_begin_time], GETDATE()) AS bigint)
FROM sys.dm_tran_database_transactions AS d
INNER JOIN sys.dm_tran_session_transactions AS t ON t.[transaction_id] = d.[transaction_id]
INNER JOIN sys.dm_exec_sessions AS s ON s.[session_id] = t.[session_id]
WHERE d.[database_id] = DB_ID() AND d.[database_transaction_begin_time] IS NOT NULL AND s.[session_id] <> @@SPID
ORDER BY d.[database_transaction_begin_time]
