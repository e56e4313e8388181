SELECT CASE WHEN EXISTS (SELECT 1 FROM [DataSync].[dss_exceptions] WHERE [parked_at] = 'apply' AND [due_at] <= @P1)
  THEN 1 ELSE 0 END
