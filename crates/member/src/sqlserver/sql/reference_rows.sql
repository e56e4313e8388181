-- The rows that refer to these values, a bounded number for each: what tells them apart, or the values by which others
-- refer to them in turn. A locking read: a child that another session has written and not committed is waited for.
SELECT u.[place], c.* FROM {values} CROSS APPLY (
  SELECT TOP (@P2) {columns} FROM {child} AS c WITH (READCOMMITTEDLOCK, HOLDLOCK) WHERE {same}
) AS c
