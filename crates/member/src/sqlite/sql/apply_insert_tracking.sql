-- Marks a cell that apply is about to write and that had no tracking row; there being one is an error.
INSERT OR ABORT INTO {tracking} ({tracking_key}, is_tombstone, seen, apply_batch)
VALUES ({key_parameters}, {p1}, {p2}, {p3})
