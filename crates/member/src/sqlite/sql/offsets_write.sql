INSERT INTO "DataSync_dss_offsets" (topic, generation, partition, next_offset, log_id) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (topic, generation, partition) DO UPDATE SET next_offset = excluded.next_offset
