-- Numbers of apply's batches; none is ever given twice.
CREATE SEQUENCE "DataSync".dss_batch AS int8 MINVALUE 1 START 1 CACHE 1
