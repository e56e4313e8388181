-- A number for the batch; none is ever given twice.
UPDATE "DataSync_dss_counter" SET batch = batch + 1 WHERE id = 1 RETURNING batch
