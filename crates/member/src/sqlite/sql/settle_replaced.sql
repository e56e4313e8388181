-- Of the rows noted before, those that are gone were replaced: each is a local delete. Rows that survived (OR IGNORE,
-- an upsert) are no change, and those whose delete trigger fired (recursive_triggers) are tombstones already.
  UPDATE "DataSync_dss_counter"
  SET version = version + (SELECT count(*) FROM {replaced} WHERE {is_meant})
  WHERE id = 1;
  INSERT INTO {tracking} ({key}, local_version, local_incarnation, changed_at, inside_apply, is_tombstone{seen_column})
  SELECT
    {r_key},
    (SELECT version FROM "DataSync_dss_counter" WHERE id = 1)
      - (SELECT count(*) FROM {replaced} AS o WHERE {is_meant} AND (o.probe, {o_key}) > (r.probe, {r_key})),
    {incarnation},
    strftime('%Y-%m-%d %H:%M:%f', 'now'),
    (SELECT 1 FROM "DataSync_dss_apply" WHERE id = 1),
    1{first_seen}
  FROM {gone}
  ON CONFLICT ({key}) DO UPDATE SET {set_local};
  DELETE FROM {replaced} WHERE {is_meant};
