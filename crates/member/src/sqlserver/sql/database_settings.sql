-- Settings that have a bearing on triggers and on what a commit is worth.
SELECT
  (SELECT CAST(c.[value_in_use] AS int) FROM sys.configurations AS c WHERE c.[name] = N'nested triggers'),
  (SELECT CAST(d.[delayed_durability_desc] AS nvarchar(60)) FROM sys.databases AS d WHERE d.[database_id] = DB_ID())
