-- Locks the rows of these keys, in their order, and tells which are there. What is decided is decided on what stands
-- when the locks are held, so tracking is read by the next statement. {strength} is NO KEY UPDATE where rows are
-- updated, since children that refer to them need not wait for that, and UPDATE where they are deleted.
SELECT array_agg(locked.place) FROM (
  SELECT u.place FROM {keys} JOIN {base} AS b ON {base_match} ORDER BY u.place FOR {strength} OF b
) AS locked
