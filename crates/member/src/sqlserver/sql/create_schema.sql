-- Everything of ours but the triggers lies in it. It belongs to dbo, so that users need no rights of their own for what
-- the triggers of their tables do.
CREATE SCHEMA [DataSync] AUTHORIZATION [dbo]
