-- The same for many new rows at once; one that has a tracking row by now is an error.
COPY {tracking} ({tracking_key}, is_tombstone, seen, apply_batch) FROM STDIN (FORMAT binary)
