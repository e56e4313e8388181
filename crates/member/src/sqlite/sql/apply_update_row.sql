-- Sets the synchronised columns and leaves all others alone.
UPDATE OR ABORT {base} AS b SET {assignments} WHERE {base_match}
