-- A row for each widget that was started, with what was asked for; NULL: left to the customer. The uuid is in lower case.
CREATE TABLE onramp_started_purchases (
    uuid          TEXT    PRIMARY KEY,
    asset_type    TEXT,
    network       TEXT,
    to_address    TEXT,
    fiat_amount   TEXT,
    crypto_amount TEXT,
    started_at    INTEGER NOT NULL              -- milliseconds since 1970
) STRICT, WITHOUT ROWID;

-- A row for each purchase that a person let pass, started or not.
CREATE TABLE onramp_released_purchases (
    uuid        TEXT    PRIMARY KEY,
    released_at INTEGER NOT NULL                -- milliseconds since 1970
) STRICT, WITHOUT ROWID;

-- Pruning looks only at what it removes.
CREATE INDEX onramp_started_purchases_at ON onramp_started_purchases (started_at);
CREATE INDEX onramp_released_purchases_at ON onramp_released_purchases (released_at);
