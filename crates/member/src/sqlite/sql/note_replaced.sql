  INSERT INTO {replaced} (probe, {key})
  SELECT {probe}, {b_key} FROM {base} AS b
  WHERE {would_be_replaced}
  ON CONFLICT (probe, {key}) DO NOTHING;
