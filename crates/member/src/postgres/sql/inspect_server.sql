-- Version, encoding, and whether policies do not concern us.
SELECT
  current_setting('server_version'),
  pg_catalog.getdatabaseencoding()::text,
  coalesce((SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles AS r WHERE r.rolname = current_user), false),
  current_user::text
