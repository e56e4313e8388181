DELETE FROM {base} AS b USING {keys} WHERE {base_match}
