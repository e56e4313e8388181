-- What the server is, whether it follows another, and whether the database has sync objects.
SELECT
  current_setting('server_version_num')::int4,
  current_setting('server_version'),
  pg_is_in_recovery(),
  to_regclass('"DataSync".dss_provisioning') IS NOT NULL
