-- The first schema. Times are milliseconds since the Unix epoch. Columns that hold a person's
-- address or text are AEAD blobs (`fzalert.access.vault`), searchable by a blind index only.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE data_key (
    id      INTEGER PRIMARY KEY,
    state   TEXT NOT NULL,              -- active, old, destroyed
    wrapped BLOB NOT NULL,              -- AES key wrap under the master key
    created INTEGER NOT NULL
);

CREATE TABLE channel (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE user (
    name       TEXT PRIMARY KEY,
    display    TEXT NOT NULL,
    roles      TEXT NOT NULL,           -- comma separated
    token_hash BLOB NOT NULL,
    created    INTEGER NOT NULL,
    disabled   INTEGER NOT NULL DEFAULT 0,
    drill      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- A rendition once for all its messages.
CREATE TABLE body (
    id   INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    data BLOB NOT NULL
);

CREATE TABLE warning (
    id         INTEGER PRIMARY KEY,
    script     TEXT NOT NULL,
    language   TEXT NOT NULL,
    lane       INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    not_after  INTEGER NOT NULL,
    key        TEXT NOT NULL,
    key_hash   BLOB NOT NULL,           -- of the body, so that the same key with another is found
    by         TEXT NOT NULL,
    drill      INTEGER NOT NULL,
    created    INTEGER NOT NULL,
    vals       BLOB NOT NULL            -- encrypted JSON of the values
);
CREATE UNIQUE INDEX warning_key ON warning (key) WHERE key <> '';

CREATE TABLE message (
    id           INTEGER PRIMARY KEY,
    warning      INTEGER NOT NULL,
    channel      INTEGER NOT NULL,
    lane         INTEGER NOT NULL,
    target       BLOB NOT NULL,         -- encrypted
    target_index BLOB NOT NULL,
    body         INTEGER NOT NULL,
    not_after    INTEGER NOT NULL,
    parts        INTEGER NOT NULL
);
CREATE INDEX message_warning ON message (warning);

-- Only what may be claimed; a claim is a range scan and a range delete.
CREATE TABLE queue (
    channel  INTEGER NOT NULL,
    lane     INTEGER NOT NULL,
    due_at   INTEGER NOT NULL,
    id       INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,          -- of the attempt to come, from 1
    flags    INTEGER NOT NULL DEFAULT 0,
    wire_key BLOB,                      -- of the attempt before
    PRIMARY KEY (channel, lane, due_at, id, part)
) WITHOUT ROWID;

-- One row a part once it left the queue: its present attempt and its fate.
CREATE TABLE flight (
    id          INTEGER NOT NULL,
    part        INTEGER NOT NULL,
    channel     INTEGER NOT NULL,
    slot        INTEGER NOT NULL,
    epoch       INTEGER NOT NULL,
    lane        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL,
    flags       INTEGER NOT NULL DEFAULT 0,
    claimed_at  INTEGER NOT NULL,
    state       INTEGER NOT NULL,       -- PartState
    word        TEXT NOT NULL DEFAULT '',
    rank        INTEGER NOT NULL DEFAULT 0,
    code        TEXT NOT NULL DEFAULT '',
    detail      TEXT NOT NULL DEFAULT '',
    carrier_id  BLOB,
    proof       INTEGER NOT NULL DEFAULT 0,
    changed_at  INTEGER NOT NULL DEFAULT 0,
    duration    INTEGER NOT NULL DEFAULT 0,
    wire_key    BLOB,
    resend_due  INTEGER,                -- due_at of the queue row of a pending resend
    PRIMARY KEY (id, part)
) WITHOUT ROWID;
CREATE INDEX flight_carrier ON flight (channel, carrier_id) WHERE carrier_id IS NOT NULL;
CREATE INDEX flight_open ON flight (channel, slot) WHERE state = 1;

-- Reports that came before their response, or that belong to nobody here; kept seven days.
CREATE TABLE orphan (
    id           INTEGER PRIMARY KEY,
    channel      INTEGER NOT NULL,
    carrier_id   BLOB NOT NULL,
    target_index BLOB NOT NULL,
    word         TEXT NOT NULL,
    code         TEXT NOT NULL,
    proof        INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    duration     INTEGER NOT NULL,
    received     INTEGER NOT NULL,
    UNIQUE (channel, carrier_id, target_index, word, code)
);

CREATE TABLE lease (
    channel    INTEGER NOT NULL,
    slot       INTEGER NOT NULL,
    owner      TEXT NOT NULL,
    epoch      INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    rate_share REAL,
    PRIMARY KEY (channel, slot)
) WITHOUT ROWID;

CREATE TABLE counter (
    channel INTEGER NOT NULL,
    lane    INTEGER NOT NULL,
    state   INTEGER NOT NULL,
    n       INTEGER NOT NULL,
    PRIMARY KEY (channel, lane, state)
) WITHOUT ROWID;

-- The outcome feed: append only; each consumer keeps a durable cursor in `state`.
CREATE TABLE feed (
    seq      INTEGER PRIMARY KEY,
    kind     TEXT NOT NULL,
    id       INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    channel  INTEGER NOT NULL,
    word     TEXT NOT NULL,
    code     TEXT NOT NULL,
    proof    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    duration INTEGER NOT NULL DEFAULT 0,
    payload  BLOB
);

CREATE TABLE suppression (
    target_index BLOB PRIMARY KEY,
    reason       TEXT NOT NULL,
    at           INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE contact (
    target_index BLOB NOT NULL,
    lane         INTEGER NOT NULL,
    hour         INTEGER NOT NULL,      -- hours since the epoch
    n            INTEGER NOT NULL,
    PRIMARY KEY (target_index, lane, hour)
) WITHOUT ROWID;

-- Rows of adapters, feeders and consumers: namespace, key, value.
CREATE TABLE state (
    namespace TEXT NOT NULL,
    key       TEXT NOT NULL,
    value     BLOB NOT NULL,
    PRIMARY KEY (namespace, key)
) WITHOUT ROWID;

CREATE TABLE event (
    stream  TEXT NOT NULL,
    version INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    by      TEXT NOT NULL,
    name    TEXT NOT NULL,
    body    BLOB NOT NULL,
    PRIMARY KEY (stream, version)
) WITHOUT ROWID;

CREATE TABLE deadline (
    owner  TEXT NOT NULL,               -- stream that the command goes to
    name   TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    body   BLOB NOT NULL,
    PRIMARY KEY (owner, name)
) WITHOUT ROWID;
CREATE INDEX deadline_due ON deadline (due_at);

CREATE TABLE evidence (
    chain TEXT NOT NULL,
    seq   INTEGER NOT NULL,
    at    INTEGER NOT NULL,
    body  BLOB NOT NULL,                -- canonical JSON
    h     BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) WITHOUT ROWID;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;

CREATE TABLE campaign (
    id       INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    warning  INTEGER NOT NULL,
    state    TEXT NOT NULL,             -- ready, running, paused, done, cancelled
    cursor   INTEGER NOT NULL DEFAULT 0,
    total    INTEGER NOT NULL DEFAULT 0,
    created  INTEGER NOT NULL,
    document BLOB NOT NULL              -- JSON: channel, body, source file hash, who confirmed
);

CREATE TABLE audience (
    campaign     INTEGER NOT NULL,
    row          INTEGER NOT NULL,
    target       BLOB NOT NULL,         -- encrypted
    target_index BLOB NOT NULL,
    tags         TEXT NOT NULL,         -- JSON: village, group; no name
    PRIMARY KEY (campaign, row)
) WITHOUT ROWID;
CREATE UNIQUE INDEX audience_once ON audience (campaign, target_index);
