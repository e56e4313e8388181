-- What server and database it is, and whether readers see snapshots.
SELECT
  CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
  CAST(SERVERPROPERTY('EngineEdition') AS int),
  CAST(SERVERPROPERTY('Edition') AS nvarchar(128)),
  CAST(DATABASEPROPERTYEX(DB_NAME(), 'Updateability') AS nvarchar(128)),
  CAST(d.[name] AS nvarchar(128)),
  CAST(d.[compatibility_level] AS int),
  CAST(d.[snapshot_isolation_state] AS int),
  CAST(d.[is_read_committed_snapshot_on] AS int),
  CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128))
FROM sys.databases AS d
WHERE d.[database_id] = DB_ID()
