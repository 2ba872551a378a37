-- What a text becomes on the next channel of its route, written at acceptance, once for all messages
-- of a warning. No `to_body`: it cannot be carried there.
CREATE TABLE fallback (
    warning    INTEGER NOT NULL,
    body       INTEGER NOT NULL,
    channel    INTEGER NOT NULL,
    to_channel INTEGER NOT NULL,
    to_body    INTEGER,
    parts      INTEGER NOT NULL,
    PRIMARY KEY (warning, body, channel, to_channel)
) WITHOUT ROWID;
