SELECT id, generation, log_offset, code, attempts, first_at, waits_for FROM "DataSync_dss_exceptions"
WHERE parked_at = 'apply' AND table_name = ?1 AND coalesce(key, key_text) = ?2
