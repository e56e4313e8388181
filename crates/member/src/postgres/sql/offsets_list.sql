SELECT topic, generation::int8, partition::int8, next_offset, log_id::text FROM "DataSync".dss_offsets
ORDER BY topic, generation, partition
