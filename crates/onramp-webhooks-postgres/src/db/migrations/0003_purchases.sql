-- One row for each started widget, with its requested values; NULL: the customer chooses. The key is a hash of the uuid in lower case.
CREATE TABLE onramp.purchases (
    key           BYTEA  PRIMARY KEY,
    id            TEXT   NOT NULL,
    asset_type    TEXT,
    network       TEXT,
    to_address    TEXT,
    fiat_amount   TEXT,
    fiat_currency TEXT,
    crypto_amount TEXT,
    started_at    BIGINT NOT NULL,              -- milliseconds since 1970
    additional_fields TEXT NOT NULL             -- JSON
);

-- One row for each purchase that an operator released, started or not.
CREATE TABLE onramp.released_purchases (
    key         BYTEA  PRIMARY KEY,
    id          TEXT   NOT NULL,
    released_at BIGINT NOT NULL                 -- milliseconds since 1970
);

-- Pruning reads only the rows that it removes.
CREATE INDEX purchases_at ON onramp.purchases (started_at);
CREATE INDEX released_purchases_at ON onramp.released_purchases (released_at);
