DELETE e FROM {ids} INNER LOOP JOIN [DataSync].[dss_exceptions] AS e WITH (ROWLOCK) ON e.[id] = u.[id]
