-- A record that was tried again without success, or found not to be due.
UPDATE "DataSync_dss_exceptions" SET attempts = ?2, last_at = ?3, due_at = ?4 WHERE id = ?1
