-- Records that were tried again without success, or found not to be due.
UPDATE e SET [attempts] = u.[attempts], [last_at] = @P2, [due_at] = u.[due_at]
FROM {postponed} INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[id] = u.[id]
