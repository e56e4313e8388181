CREATE INDEX "DataSync_dss_exceptions_due" ON "DataSync_dss_exceptions" (parked_at, due_at)
