-- make a table
CREATE TABLE [dbo].[parent] (
  [c0] bigint NOT NULL,
  [c1] bit NULL,
  [c2] int NULL,
  [c3] decimal(10,2) NULL,
  [c4] nvarchar(max) NULL,
  [c5] real NULL,
  [c6] float NULL,
  [c7] nvarchar(450) COLLATE Latin1_General_100_BIN2 NULL,
  [c8] varbinary(max) NULL,
  [c9] uniqueidentifier NULL,
  [c10] date NULL,
  [c11] time(7) NULL,
  [c12] datetime2(7) NULL,
  [c13] datetimeoffset(7) NULL,
  CONSTRAINT [parent_key] PRIMARY KEY ([c0])
)
GO
-- unique values
CREATE UNIQUE INDEX [parent_unique_1] ON [dbo].[parent] ([c7]) WHERE [c7] IS NOT NULL
GO
-- unique values
CREATE UNIQUE INDEX [parent_unique_2] ON [dbo].[parent] ([c0], [c2]) WHERE [c2] IS NOT NULL
GO
-- make a table
CREATE TABLE [dbo].[child] (
  [id] uniqueidentifier NOT NULL,
  [parent] bigint NULL,
  [self] uniqueidentifier NULL,
  CONSTRAINT [child_key] PRIMARY KEY ([id])
)
GO
-- references
ALTER TABLE [dbo].[child] ADD CONSTRAINT [child_references_1] FOREIGN KEY ([parent]) REFERENCES [dbo].[parent] ([c0]) ON DELETE CASCADE
GO
-- references
ALTER TABLE [dbo].[child] ADD CONSTRAINT [child_references_2] FOREIGN KEY ([self]) REFERENCES [dbo].[child] ([id]) ON DELETE SET NULL
GO
