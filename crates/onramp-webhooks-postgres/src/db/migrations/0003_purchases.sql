-- A row for each widget that was started, with what was asked for; NULL: left to the customer. The key is a hash of the uuid, which is
-- in lower case.
CREATE TABLE onramp.started_purchases (
    key           BYTEA  PRIMARY KEY,
    uuid          TEXT   NOT NULL,
    asset_type    TEXT,
    network       TEXT,
    to_address    TEXT,
    fiat_amount   TEXT,
    crypto_amount TEXT,
    started_at    BIGINT NOT NULL               -- milliseconds since 1970
);

-- A row for each purchase that a person let pass, started or not.
CREATE TABLE onramp.released_purchases (
    key         BYTEA  PRIMARY KEY,
    uuid        TEXT   NOT NULL,
    released_at BIGINT NOT NULL                 -- milliseconds since 1970
);

-- Pruning looks only at what it removes.
CREATE INDEX started_purchases_at ON onramp.started_purchases (started_at);
CREATE INDEX released_purchases_at ON onramp.released_purchases (released_at);
