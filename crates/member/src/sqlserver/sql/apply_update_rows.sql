-- Sets the synchronised columns and leaves all others alone.
UPDATE b SET {assignments} FROM {rows} INNER LOOP JOIN {base} AS b WITH (ROWLOCK) ON {base_match};
SELECT @@ROWCOUNT;
