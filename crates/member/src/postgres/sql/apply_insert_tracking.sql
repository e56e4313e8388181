-- Marks cells that apply is about to write and that had no tracking row. Where there is one by now nothing happens.
INSERT INTO {tracking} ({tracking_key}, is_tombstone, seen, apply_batch)
SELECT {u_key}, {p2}, u.seen, {p3} FROM unnest({key_arrays}, {p1}::text[]) AS u ({u_names}, seen)
ON CONFLICT ({tracking_key}) DO NOTHING
