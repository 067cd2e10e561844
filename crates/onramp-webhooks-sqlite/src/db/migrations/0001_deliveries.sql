-- Bodies are in a separate table. Rows stay small, so that claims and settlements touch few pages.
CREATE TABLE onramp_deliveries (
    id             INTEGER PRIMARY KEY,
    endpoint       TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    event_type     TEXT,
    subject        TEXT,                        -- first half of the dedup key; NULL: no key
    discriminator  TEXT,                        -- second half
    key_expires_at INTEGER,                     -- milliseconds since 1970; NULL: never
    stage          INTEGER,                     -- stage of the order; NULL: no order
    fingerprint    BLOB    NOT NULL,
    state          INTEGER NOT NULL,            -- 0 pending 1 leased 2 retrying 3 parked 4 handled 5 dead 6 quarantined 7 conflict 254 removed
    due_at         INTEGER,                     -- of the head of an order: when it is due again; 0: never settled; NULL: waits for nothing
    waits_at       INTEGER,                     -- the same of a delivery behind the head of its order; -1: claimed behind it
    lease_until    INTEGER,
    fence          INTEGER NOT NULL DEFAULT 0,
    lost_claims    INTEGER NOT NULL DEFAULT 0,  -- latest claims that ended with neither a settlement nor a release
    attempts       INTEGER NOT NULL DEFAULT 0,
    duplicates     INTEGER NOT NULL DEFAULT 0,
    received_at    INTEGER NOT NULL,
    settled_at     INTEGER,
    cause          INTEGER,                     -- of a dead letter: 0 attempts used up 1 handler 2 check 3 transaction 4 process 5 unreadable
    handled_stage  INTEGER,                     -- the stage, once it is handled; claims change no column of an index
    note           TEXT
) STRICT;

CREATE UNIQUE INDEX onramp_deliveries_key ON onramp_deliveries (subject, discriminator);

-- Contains the head of each order that waits, so the cost of a claim does not grow with the number of handled deliveries, or with those
-- behind a head.
CREATE INDEX onramp_deliveries_due ON onramp_deliveries (endpoint, due_at, id) WHERE due_at IS NOT NULL;
CREATE UNIQUE INDEX onramp_deliveries_head ON onramp_deliveries (subject) WHERE due_at IS NOT NULL AND stage IS NOT NULL;
CREATE INDEX onramp_deliveries_behind ON onramp_deliveries (subject, waits_at, id) WHERE waits_at IS NOT NULL;

-- Finds out whether a later stage of an order was handled.
CREATE INDEX onramp_deliveries_handled ON onramp_deliveries (subject, handled_stage) WHERE handled_stage IS NOT NULL;

CREATE TABLE onramp_bodies (
    id   INTEGER PRIMARY KEY,
    body BLOB NOT NULL
) STRICT;

-- Deliveries that no version can read. The oldest are removed beyond a bound.
CREATE TABLE onramp_noise (
    id   INTEGER PRIMARY KEY,
    size INTEGER NOT NULL
) STRICT;

-- Written by health checks.
CREATE TABLE onramp_probe (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO onramp_probe VALUES (1, 0);
