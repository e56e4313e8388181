SELECT TOP (@P1) [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind], [code],
  [message], [attempts], [first_at], [last_at], [due_at], [payload]
FROM [DataSync].[dss_exceptions] ORDER BY [first_at], [id]
