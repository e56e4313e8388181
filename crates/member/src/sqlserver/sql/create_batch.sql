-- The numbers of apply's batches.
CREATE SEQUENCE [DataSync].[dss_batch] AS bigint START WITH {start} INCREMENT BY 1 MINVALUE 1 NO CYCLE {cache}
