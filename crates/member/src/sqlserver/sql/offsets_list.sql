SELECT [topic], [generation], [partition], [next_offset], [log_id] FROM [DataSync].[dss_offsets]
ORDER BY [topic], [generation], [partition]
