-- What is parked of these cells of one table.
SELECT id, key, generation::int8, log_offset, code, attempts::int8, first_at, waits_for
FROM "DataSync".dss_exceptions
WHERE parked_at = 'apply' AND table_name = $1
AND sha256(coalesce(key, decode(md5(key_text), 'hex'))) = ANY (ARRAY(SELECT sha256(k) FROM unnest($2::bytea[]) AS k))
FOR UPDATE
