-- Grows with every transaction; the anchor outside the database remembers it, so that an older copy
-- of the database is known for what it is.
CREATE TABLE generation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    n   INTEGER NOT NULL
);
INSERT INTO generation VALUES (1, 0);
