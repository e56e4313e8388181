-- Versions of this member's own changes; 1 stands for rows that were there before. Given one by one, so that none comes
-- after a greater one of the same cell.
CREATE SEQUENCE "DataSync".dss_version AS int8 MINVALUE 1 START 2 CACHE 1
