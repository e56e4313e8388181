CREATE INDEX "DataSync_dss_exceptions_waits" ON "DataSync_dss_exceptions" (waits_for, due_at) WHERE waits_for IS NOT NULL
