SELECT next_offset, log_id FROM "DataSync_dss_offsets" WHERE topic = ?1 AND generation = ?2 AND partition = ?3
