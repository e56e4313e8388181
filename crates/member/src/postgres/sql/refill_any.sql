-- A table of these that has gained columns which are being filled.
SELECT table_name FROM "DataSync".dss_tables
WHERE table_name = ANY ($1::text[]) AND columns::jsonb ? 'refill' LIMIT 1
