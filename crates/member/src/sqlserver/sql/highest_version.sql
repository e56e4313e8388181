-- The next version, which is taken, so that all that were given before lie below it.
SELECT NEXT VALUE FOR [DataSync].[dss_version]
