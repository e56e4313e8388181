-- The next ones behind a number, so that no transaction holds a flood of them. An empty name stands for all tables: no
-- table is called so.
DECLARE @last bigint;
SELECT @last = MAX([id]) FROM (
  SELECT TOP (@P3) [id] FROM [DataSync].[dss_exceptions]
  WHERE [id] > @P2 AND [parked_at] = 'apply' AND (@P1 = N'' OR [table_name] = @P1) ORDER BY [id]
) AS [next];
UPDATE [DataSync].[dss_exceptions] SET [due_at] = 0
WHERE [id] > @P2 AND [id] <= @last AND [parked_at] = 'apply' AND (@P1 = N'' OR [table_name] = @P1);
SELECT CAST(@@ROWCOUNT AS bigint), @last;
