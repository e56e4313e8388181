CREATE INDEX dss_exceptions_waits ON "DataSync".dss_exceptions (sha256(waits_for), due_at) WHERE waits_for IS NOT NULL
