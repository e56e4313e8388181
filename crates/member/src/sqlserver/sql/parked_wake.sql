-- Makes records due that wait for one of these rows, a bounded number of them; tells whose they are.
DECLARE @woken TABLE ([id] bigint NOT NULL PRIMARY KEY);
INSERT INTO @woken ([id])
SELECT TOP (@P3) e.[id]
FROM [DataSync].[dss_exceptions] AS e WITH (UPDLOCK, ROWLOCK)
WHERE e.[due_at] > @P2 AND e.[waits_for] IN (SELECT u.[token] FROM {tokens})
ORDER BY e.[due_at], e.[id];
UPDATE e SET [due_at] = @P2
FROM @woken AS w INNER JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[id] = w.[id];
SELECT e.[table_name], e.[key], e.[kind]
FROM @woken AS w INNER JOIN [DataSync].[dss_exceptions] AS e ON e.[id] = w.[id];
