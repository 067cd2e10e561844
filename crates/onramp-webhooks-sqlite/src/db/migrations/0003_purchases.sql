-- One row for each started widget, with its requested values; NULL: the customer chooses. The id is in lower case.
CREATE TABLE onramp_purchases (
    id            TEXT    PRIMARY KEY,
    asset_type    TEXT,
    network       TEXT,
    to_address    TEXT,
    fiat_amount   TEXT,
    fiat_currency TEXT,
    crypto_amount TEXT,
    started_at    INTEGER NOT NULL,             -- milliseconds since 1970
    additional_fields TEXT NOT NULL             -- JSON
) STRICT, WITHOUT ROWID;

-- One row for each purchase that an operator released, started or not.
CREATE TABLE onramp_released_purchases (
    id          TEXT    PRIMARY KEY,
    released_at INTEGER NOT NULL                -- milliseconds since 1970
) STRICT, WITHOUT ROWID;

-- Pruning reads only the rows that it removes.
CREATE INDEX onramp_purchases_at ON onramp_purchases (started_at);
CREATE INDEX onramp_released_purchases_at ON onramp_released_purchases (released_at);
