  INSERT INTO {replaced} (probe, {key})
  SELECT {probe}, {b_key} FROM {base} AS b
  WHERE {same_unique_values} AND NOT ({b_key_is_own}){and_b_key_is_set}
  ON CONFLICT (probe, {key}) DO NOTHING;
