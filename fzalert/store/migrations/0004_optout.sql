-- An opt-out keeps its address too, encrypted, so that it can be shown masked and taken back; and a
-- number, so that a list goes on where its last page ended. Rows from before have no address.
CREATE TABLE opt_out (
    seq          INTEGER PRIMARY KEY,
    target_index BLOB NOT NULL UNIQUE,
    reason       TEXT NOT NULL,
    at           INTEGER NOT NULL,
    target       BLOB                   -- encrypted
);
INSERT INTO opt_out (target_index, reason, at)
    SELECT target_index, reason, at FROM suppression ORDER BY at;
DROP TABLE suppression;
ALTER TABLE opt_out RENAME TO suppression;
