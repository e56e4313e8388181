-- The tables that are tried, each between characters that no name has.
SELECT TOP (@P1) [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind], [code],
  [message], [attempts], [first_at], [last_at], [due_at], [payload], [id]
FROM [DataSync].[dss_exceptions]
WHERE [parked_at] = 'apply' AND [due_at] > @P2 AND [due_at] <= @P3
  AND CHARINDEX(NCHAR(1) + [table_name] + NCHAR(1), @P4) > 0
ORDER BY [due_at], [id]
