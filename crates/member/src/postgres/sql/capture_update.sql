-- What an update's trigger does with the rows that pass a condition.
    INSERT INTO {tracking} AS t ({key}, local_version, local_incarnation, xid, changed_at, inside_apply, is_tombstone{seen_column})
    SELECT {c_key}, {next_version}, {incarnation}, dss.me, dss.now_at, dss.batch IS NOT NULL, c.is_tombstone{first_seen}
    FROM (
      SELECT {either_key}, {n_is_null} AS is_tombstone
      FROM old_rows AS o FULL JOIN new_rows AS n ON {n_key_is_o}
      WHERE {n_is_null} OR {o_is_null} OR {changed}
    ) AS c
    WHERE dss.batch IS NULL OR NOT EXISTS (
      SELECT FROM {tracking} AS m WHERE {m_key_is_c} AND {m_is_of_batch}
    )
    ON CONFLICT ({key}) DO UPDATE SET {set_local};
