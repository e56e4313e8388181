-- An empty name stands for all tables: no table is called so.
SELECT TOP (@P1) [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind], [code],
  [message], [attempts], [first_at], [last_at], [due_at], [payload], [id]
FROM [DataSync].[dss_exceptions] WHERE [id] > @P2 AND (@P3 = N'' OR [table_name] = @P3) ORDER BY [id]
