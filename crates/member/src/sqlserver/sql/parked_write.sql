-- Parks records, each in place of one of its cell that is parked already.
UPDATE e SET
  [vv] = u.[vv],
  [generation] = u.[generation],
  [partition] = u.[partition],
  [log_offset] = u.[log_offset],
  [kind] = u.[kind],
  [code] = u.[code],
  [message] = u.[message],
  [attempts] = u.[attempts],
  [first_at] = u.[first_at],
  [last_at] = u.[last_at],
  [due_at] = u.[due_at],
  [waits_for] = u.[waits_for],
  [payload] = u.[payload]
FROM {parked} INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[row_hash] = u.[row_hash];
INSERT INTO [DataSync].[dss_exceptions]
  ([row_hash], [parked_at], [table_name], [key], [key_text], [vv], [generation], [partition], [log_offset], [kind],
   [code], [message], [attempts], [first_at], [last_at], [due_at], [waits_for], [payload])
SELECT u.[row_hash], 'apply', u.[table_name], u.[key], u.[key_text], u.[vv], u.[generation], u.[partition],
  u.[log_offset], u.[kind], u.[code], u.[message], u.[attempts], u.[first_at], u.[last_at], u.[due_at],
  u.[waits_for], u.[payload]
FROM {parked}
WHERE NOT EXISTS (
  SELECT 1 FROM [DataSync].[dss_exceptions] AS e WITH (UPDLOCK, HOLDLOCK, ROWLOCK) WHERE e.[row_hash] = u.[row_hash]
);
