-- Of the noted rows that are meant, those that were replaced: they are gone, and no delete trigger has told of them.
{replaced} AS r
  WHERE {is_meant}
  AND NOT EXISTS (SELECT 1 FROM {base} AS b WHERE {b_key_is_r})
  AND NOT EXISTS (
    SELECT 1 FROM {tracking} AS t WHERE {t_key_is_r}
    AND (t.is_tombstone = 1 OR t.apply_batch = (SELECT batch FROM "DataSync_dss_apply" WHERE id = 1))
  )
