-- Takes a mark away from a cell that had no tracking row.
DELETE FROM {tracking} WHERE {tracking_match}
