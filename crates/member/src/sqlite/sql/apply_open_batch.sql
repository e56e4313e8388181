-- From here on the triggers leave the cells alone that bear this number.
INSERT INTO "DataSync_dss_apply" (id, batch) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET batch = excluded.batch
