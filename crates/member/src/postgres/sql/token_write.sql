INSERT INTO "DataSync".dss_token (id, counter, token_id, previous, position, highest_version)
VALUES (1, $1, $2::uuid, $3::uuid, $4, $5)
ON CONFLICT (id) DO UPDATE SET
  counter = excluded.counter,
  token_id = excluded.token_id,
  previous = excluded.previous,
  position = excluded.position,
  highest_version = excluded.highest_version
