#variable_conflict use_column
<<dss>>
DECLARE
  batch pg_catalog.text := pg_catalog.current_setting('tributary.apply', true);
  now_at pg_catalog.timestamptz := pg_catalog.clock_timestamp();
  me pg_catalog.xid8 := pg_catalog.pg_current_xact_id();
  policies pg_catalog.text;
BEGIN
  IF dss.batch OPERATOR(pg_catalog.=) '' THEN
    dss.batch := NULL;
  END IF;
  -- Apply's own statements, where neither users' code nor foreign keys write along with them: every cell is marked.
  -- (What a foreign key writes is not deeper than the statement; what a user's trigger writes is.)
  IF dss.batch IS NOT NULL AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1
    AND pg_catalog.current_setting('tributary.quiet', true) OPERATOR(pg_catalog.=) 'on' THEN
    RETURN NULL;
  END IF;
  -- A key that was dropped, renamed or given another type must not make users' statements fail: the table's state says
  -- that it is gone. What is asked first costs least; it fails whenever the key was touched, and after a restore.
  IF (pg_catalog.pg_get_constraintdef({key_constraint}) OPERATOR(pg_catalog.=) {key_definition}) IS NOT TRUE THEN
    IF (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid OPERATOR(pg_catalog.=) TG_RELID AND NOT a.attisdropped AND ({is_key}))
      OPERATOR(pg_catalog.<) {key_count} THEN
      RETURN NULL;
    END IF;
  END IF;
  IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone)
    SELECT {n_key}, {next_version}, {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, false
    FROM new_rows AS n
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT FROM {tracking} AS m WHERE {m_key_is_n} AND {m_is_of_batch}
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
{update}
  ELSIF TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone{seen_column})
    SELECT {o_key}, {next_version}, {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, true{first_seen}
    FROM old_rows AS o
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT FROM {tracking} AS m WHERE {m_key_is_o} AND {m_is_of_batch}
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
  ELSE
    -- TRUNCATE, before it is done. Rows that a policy hides must not be forgotten, so it rather fails.
    dss.policies := pg_catalog.current_setting('row_security');
    PERFORM pg_catalog.set_config('row_security', 'off', true);
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone{seen_column})
    SELECT {b_key}, {next_version}, {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, true{first_seen}
    FROM ONLY {base} AS b
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
    dss.policies := pg_catalog.set_config('row_security', dss.policies, true);
  END IF;
  -- 1 is awake; only beyond it is the clock asked.
  IF FOUND AND pg_catalog.pg_sequence_last_value({sleep}) OPERATOR(pg_catalog.>) 1
    AND pg_catalog.pg_sequence_last_value({sleep}) OPERATOR(pg_catalog.>=) extract(epoch FROM dss.now_at) THEN
    NOTIFY "DataSync";
  END IF;
  RETURN NULL;
END
