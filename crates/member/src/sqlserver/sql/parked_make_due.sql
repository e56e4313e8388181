-- An empty name stands for all tables: no table is called so.
UPDATE [DataSync].[dss_exceptions] SET [due_at] = 0
WHERE [parked_at] = 'apply' AND (@P1 = N'' OR [table_name] = @P1);
SELECT @@ROWCOUNT;
