CREATE INDEX [dss_exceptions_due] ON [DataSync].[dss_exceptions] ([parked_at], [due_at])
