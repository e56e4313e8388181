-- Moves offsets from where they are expected; what is elsewhere by now is not moved, which the count tells.
DECLARE @moved int = 0;
UPDATE o SET [next_offset] = u.[next]
FROM {moves} INNER LOOP JOIN [DataSync].[dss_offsets] AS o WITH (ROWLOCK)
  ON o.[topic] = u.[topic] AND o.[generation] = u.[generation] AND o.[partition] = u.[partition]
WHERE o.[log_id] = @P2 AND o.[next_offset] = u.[expected];
SET @moved = @moved + @@ROWCOUNT;
INSERT INTO [DataSync].[dss_offsets] ([topic], [generation], [partition], [next_offset], [log_id])
SELECT u.[topic], u.[generation], u.[partition], u.[next], @P2 FROM {moves}
WHERE u.[expected] IS NULL AND NOT EXISTS (
  SELECT 1 FROM [DataSync].[dss_offsets] AS o WITH (UPDLOCK, HOLDLOCK, ROWLOCK)
  WHERE o.[topic] = u.[topic] AND o.[generation] = u.[generation] AND o.[partition] = u.[partition]
);
SET @moved = @moved + @@ROWCOUNT;
SELECT @moved;
