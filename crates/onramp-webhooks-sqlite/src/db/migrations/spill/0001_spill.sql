-- Deliveries that wait for the primary inbox, in the order of arrival. Ids are never used again.
CREATE TABLE onramp_spill (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    endpoint       TEXT    NOT NULL,
    provider       TEXT    NOT NULL,
    event_type     TEXT,
    subject        TEXT,                        -- first half of the dedup key; NULL: no key
    discriminator  TEXT,                        -- second half
    key_expires_at INTEGER,                     -- milliseconds since 1970; NULL: never
    stage          INTEGER,                     -- stage of the order; NULL: no order
    fingerprint    BLOB    NOT NULL,
    received_at    INTEGER NOT NULL,
    quarantine     TEXT,                        -- reason why it could not be read; NULL: it could
    noise          INTEGER NOT NULL,            -- 1: no version can read it
    body           BLOB    NOT NULL,
    duplicate_within INTEGER                    -- milliseconds; NULL: the same content always is a duplicate
) STRICT;

-- Counting reads this index instead of the bodies.
CREATE INDEX onramp_spill_count ON onramp_spill (id);

-- Written by health checks.
CREATE TABLE onramp_spill_probe (
    id     INTEGER PRIMARY KEY CHECK (id = 1),
    writes INTEGER NOT NULL
) STRICT;
INSERT INTO onramp_spill_probe VALUES (1, 0);
