-- How far a refill is, as a compare-and-set.
UPDATE [DataSync].[dss_tables] SET [columns] = @P2 WHERE [table_name] = @P1 AND [columns] = @P3;
SELECT @@ROWCOUNT;
