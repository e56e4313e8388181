-- What the stack's first member begins with: a small shop. Run once, by the service `seed`, when hq.db is not there yet.

CREATE TABLE Customer (
    CustomerId INTEGER PRIMARY KEY,
    Name       TEXT NOT NULL,
    Email      TEXT,
    Credit     DECIMAL_TEXT(12, 2)
);

CREATE TABLE OrderLines (
    OrderId    INTEGER NOT NULL,
    Line       INTEGER NOT NULL,
    CustomerId INTEGER NOT NULL REFERENCES Customer (CustomerId),
    Article    TEXT NOT NULL,
    Quantity   INT NOT NULL,
    Price      DECIMAL_TEXT(12, 2),
    PRIMARY KEY (OrderId, Line)
);

CREATE TABLE OrderEvents (
    EventId    UUID_TEXT NOT NULL PRIMARY KEY,
    OrderId    INTEGER NOT NULL,
    HappenedAt TIMESTAMP_TEXT NOT NULL,
    Note       TEXT
);

INSERT INTO Customer VALUES
    (1, 'Ada',   'ada@example.org',   '100.00'),
    (2, 'Grace', 'grace@example.org', '250.50'),
    (3, 'Linus', NULL,                NULL);

INSERT INTO OrderLines VALUES
    (1, 1, 1, 'Kettle', 1, '39.90'),
    (1, 2, 1, 'Cup',    6, '4.25'),
    (2, 1, 2, 'Lamp',   2, '79.00');

INSERT INTO OrderEvents VALUES
    ('0b7c6b1e-6f0a-4b57-9a43-2f1f6c1d0001', 1, '2026-01-02 09:30:00', 'ordered'),
    ('0b7c6b1e-6f0a-4b57-9a43-2f1f6c1d0002', 1, '2026-01-03 14:05:10', 'sent'),
    ('0b7c6b1e-6f0a-4b57-9a43-2f1f6c1d0003', 2, '2026-01-03 16:40:00', 'ordered');
