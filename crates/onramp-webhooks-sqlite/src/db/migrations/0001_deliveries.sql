-- Rows stay small, so that claiming and settling touch few pages; bodies lie beside them.
CREATE TABLE onramp_deliveries (
    id             INTEGER PRIMARY KEY,
    endpoint       TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    event_type     TEXT,
    subject        TEXT,                        -- first half of the dedup key; NULL: never a duplicate
    discriminator  TEXT,                        -- second half
    key_expires_at INTEGER,                     -- milliseconds since 1970; NULL: never
    stage          INTEGER,                     -- place in the order's life; NULL: belongs to no order
    fingerprint    BLOB    NOT NULL,
    state          INTEGER NOT NULL,            -- 0 pending 1 leased 2 retrying 3 parked 4 handled 5 dead 6 quarantined 7 conflict 8 removed
    due_at         INTEGER,                     -- 0: now; NULL: never by itself
    fence          INTEGER NOT NULL DEFAULT 0,
    attempts       INTEGER NOT NULL DEFAULT 0,
    duplicates     INTEGER NOT NULL DEFAULT 0,
    received_at    INTEGER NOT NULL,
    settled_at     INTEGER,
    note           TEXT
) STRICT;

CREATE UNIQUE INDEX onramp_deliveries_key ON onramp_deliveries (subject, discriminator);

-- Only what waits is in here: claims cost the same whatever has been handled.
CREATE INDEX onramp_deliveries_due ON onramp_deliveries (due_at) WHERE due_at IS NOT NULL;

CREATE TABLE onramp_bodies (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- What no version can read; the oldest go when there is too much.
CREATE TABLE onramp_junk (
    id   INTEGER PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT;

-- Written by health checks.
CREATE TABLE onramp_probe (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO onramp_probe VALUES (1, 0);
