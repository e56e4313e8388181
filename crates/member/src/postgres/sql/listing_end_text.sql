-- Ends the listings of rows that are gone and never had a usable key.
DELETE FROM "DataSync".dss_exceptions AS e
USING unnest($1::text[], $2::text[]) AS p (table_name, key_text)
WHERE e.parked_at = 'capture' AND e.table_name = p.table_name AND e.key IS NULL AND e.key_text = p.key_text
