-- Deliveries on their way to another inbox, in the order in which they came. Ids are never used again.
CREATE TABLE onramp_spill (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint       TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    event_type     TEXT,
    subject        TEXT,                        -- first half of the dedup key; NULL: never a duplicate
    discriminator  TEXT,                        -- second half
    key_expires_at INTEGER,                     -- milliseconds since 1970; NULL: never
    stage          INTEGER,                     -- place in the order's life; NULL: belongs to no order
    fingerprint    BLOB    NOT NULL,
    received_at    INTEGER NOT NULL,
    quarantine     TEXT,                        -- why it could not be read; NULL: it could
    junk           INTEGER NOT NULL,            -- 1: no version could read it
    body           BLOB    NOT NULL,
    set_aside      TEXT                         -- why the other inbox did not take it; NULL: it waits
) STRICT;

-- Counting and finding what waits passes over bodies, and over what is set aside.
CREATE INDEX onramp_spill_waiting ON onramp_spill (id) WHERE set_aside IS NULL;
CREATE INDEX onramp_spill_set_aside ON onramp_spill (id) WHERE set_aside IS NOT NULL;

-- Written by health checks.
CREATE TABLE onramp_spill_probe (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO onramp_spill_probe VALUES (1, 0);
