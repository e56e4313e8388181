-- The versions of this member's own changes. 1 stands for rows that were there before. A sequence gives no number twice,
-- whatever is rolled back.
CREATE SEQUENCE [DataSync].[dss_version] AS bigint START WITH {start} INCREMENT BY 1 MINVALUE 1 NO CYCLE {cache}
