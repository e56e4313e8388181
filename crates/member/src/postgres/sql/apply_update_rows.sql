-- Sets the synchronised columns and leaves all others alone.
UPDATE {base} AS b SET {assignments} FROM unnest({value_arrays}) AS u ({u_value_names}) WHERE {base_match}
