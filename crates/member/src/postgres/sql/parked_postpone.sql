-- Records that were tried again without success, or found not to be due.
UPDATE "DataSync".dss_exceptions AS e SET attempts = u.attempts, last_at = $4, due_at = u.due_at
FROM unnest($1::int8[], $2::int8[], $3::int8[]) AS u (id, attempts, due_at)
WHERE e.id = u.id
