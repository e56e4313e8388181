-- Until when capture sleeps, in seconds since 1970: only then do the triggers notify it. A sequence, because its value is
-- seen by every snapshot at once.
CREATE SEQUENCE "DataSync".dss_sleep AS int8 MINVALUE 1 START 1 CACHE 1
