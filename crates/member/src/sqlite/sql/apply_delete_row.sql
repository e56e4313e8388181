DELETE FROM {base} AS b WHERE {base_match}
