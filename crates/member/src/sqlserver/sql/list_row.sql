-- A row that cannot be published is listed once.
UPDATE [DataSync].[dss_exceptions]
SET [key_text] = @P3, [kind] = 'value', [message] = @P4, [attempts] = [attempts] + 1, [last_at] = @P5
WHERE [row_hash] = @P1;
IF @@ROWCOUNT = 0
  INSERT INTO [DataSync].[dss_exceptions] (
    {key_column}[row_hash], [parked_at], [table_name], [key_text], [vv], [kind], [code], [message], [attempts],
    [first_at], [last_at], [due_at]
  )
  VALUES ({key_value}@P1, 'capture', @P2, @P3, '', 'value', N'', @P4, 1, @P5, @P5, 9223372036854775807);
