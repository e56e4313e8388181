-- Ends the listings of rows that are published.
DELETE FROM "DataSync".dss_exceptions AS e
USING unnest($1::text[], $2::bytea[]) AS p (table_name, key)
WHERE e.parked_at = 'capture' AND e.table_name = p.table_name AND e.key = p.key
