-- The tables that have tracking, whoever works on them.
SELECT to_regclass(quote_ident(local_schema) || '.' || quote_ident(local_table))::oid FROM "DataSync".dss_tables
