-- Marks the cells whose rows are there as ones that this transaction writes; {number} is the batch. Those without a
-- tracking row get one for the moment.
INSERT INTO {tracking} AS t ({tracking_key}, is_tombstone, seen, apply_batch)
SELECT {u_key}, false, '', {number}::int8 FROM {keys} JOIN {base} AS b ON {base_match}
ON CONFLICT ({tracking_key}) DO UPDATE SET apply_batch = excluded.apply_batch
