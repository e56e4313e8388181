SELECT
  EXISTS (SELECT 1 FROM "DataSync_dss_exceptions" WHERE parked_at = 'apply'),
  EXISTS (SELECT 1 FROM "DataSync_dss_exceptions" WHERE waits_for IS NOT NULL)
