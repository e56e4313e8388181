-- Format 1 of the log file. Records stand in one table a partition (records_<topic id>_<partition>), created with
-- the topic.

CREATE TABLE log (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id BLOB NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;

-- delete_retention_ms: how long a compacted topic keeps a tombstone; NULL for a topic that keeps everything.
CREATE TABLE topic (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    partitions INTEGER NOT NULL,
    delete_retention_ms INTEGER,
    max_record_bytes INTEGER NOT NULL
) STRICT;

-- id: topic id * 65536 + partition. next_offset only grows, whatever is deleted.
-- clean_end, clean_records: the last compaction left so many records before this offset.
CREATE TABLE partition (
    id INTEGER PRIMARY KEY,
    start_offset INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    clean_end INTEGER NOT NULL,
    clean_records INTEGER NOT NULL
) STRICT;

CREATE TABLE committed (
    group_name TEXT NOT NULL,
    partition INTEGER NOT NULL,
    next_offset INTEGER NOT NULL,
    PRIMARY KEY (group_name, partition)
) STRICT, WITHOUT ROWID;

CREATE TABLE producer (
    transactional_id TEXT NOT NULL PRIMARY KEY,
    epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE schema (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE subject (
    name TEXT NOT NULL,
    schema INTEGER NOT NULL REFERENCES schema (id),
    PRIMARY KEY (name, schema)
) STRICT, WITHOUT ROWID;
