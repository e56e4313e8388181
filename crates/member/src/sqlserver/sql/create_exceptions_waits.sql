CREATE INDEX [dss_exceptions_waits] ON [DataSync].[dss_exceptions] ([waits_for], [due_at])
