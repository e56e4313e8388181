#variable_conflict use_column
<<dss>>
DECLARE
  batch text := nullif(current_setting('tributary.apply', true), '');
  now_at timestamptz := clock_timestamp();
  me xid8 := pg_current_xact_id();
  keys_there int8;
  all_there int8;
BEGIN
  -- A column that was dropped or renamed must not make users' statements fail: the table's state says that it is gone.
  SELECT count(*) FILTER (WHERE {is_key}), count(*) INTO dss.keys_there, dss.all_there
  FROM pg_attribute AS a
  WHERE a.attrelid = TG_RELID AND a.attname = ANY ({names}) AND NOT a.attisdropped;
  IF dss.keys_there < {key_count} THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone)
    SELECT {n_key}, nextval('"DataSync".dss_version'), {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, false
    FROM new_rows AS n
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT 1 FROM {tracking} AS m WHERE {m_key_is_n} AND m.apply_batch::text = dss.batch
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
  ELSIF TG_OP = 'UPDATE' AND dss.all_there = {count} THEN
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone)
    SELECT {c_key}, nextval('"DataSync".dss_version'), {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, c.is_tombstone
    FROM (
      SELECT {either_key}, {n_is_null} AS is_tombstone
      FROM old_rows AS o FULL JOIN new_rows AS n ON {n_key_is_o}
      WHERE {n_is_null} OR {o_is_null} OR {changed}
    ) AS c
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT 1 FROM {tracking} AS m WHERE {m_key_is_c} AND m.apply_batch::text = dss.batch
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
  ELSIF TG_OP = 'UPDATE' THEN
    -- What has changed cannot be told without the columns, so every row counts.
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone)
    SELECT {c_key}, nextval('"DataSync".dss_version'), {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, c.is_tombstone
    FROM (
      SELECT {either_key}, {n_is_null} AS is_tombstone
      FROM old_rows AS o FULL JOIN new_rows AS n ON {n_key_is_o}
    ) AS c
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT 1 FROM {tracking} AS m WHERE {m_key_is_c} AND m.apply_batch::text = dss.batch
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone)
    SELECT {o_key}, nextval('"DataSync".dss_version'), {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, true
    FROM old_rows AS o
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT 1 FROM {tracking} AS m WHERE {m_key_is_o} AND m.apply_batch::text = dss.batch
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
  ELSE
    -- TRUNCATE, before it is done.
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone)
    SELECT {b_key}, nextval('"DataSync".dss_version'), {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, true
    FROM ONLY {base} AS b
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
  END IF;
  IF FOUND AND (SELECT last_value FROM "DataSync".dss_sleep) >= extract(epoch FROM dss.now_at) THEN
    NOTIFY "DataSync";
  END IF;
  RETURN NULL;
END
