-- What stands where a batch begins: (1) its offsets, locked, so that of two workers with the same partitions one waits
-- and then finds them moved; (2) in which of these tables records are parked; (3) whether any waits for a row.
SELECT 1, u.[place], o.[next_offset], o.[log_id]
FROM {offsets} INNER LOOP JOIN [DataSync].[dss_offsets] AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK)
  ON o.[topic] = u.[topic] AND o.[generation] = u.[generation] AND o.[partition] = u.[partition]
UNION ALL
SELECT 2, u.[place], NULL, NULL FROM {tables}
WHERE EXISTS (
  SELECT 1 FROM [DataSync].[dss_exceptions] AS e WHERE e.[parked_at] = 'apply' AND e.[table_name] = u.[table_name]
)
UNION ALL
SELECT 3, 0, NULL, NULL
WHERE EXISTS (SELECT 1 FROM [DataSync].[dss_exceptions] AS e WHERE e.[waits_for] IS NOT NULL)
