-- A row for each request that runs or whose reply is kept.
CREATE TABLE onramp.idempotency (
    key         BYTEA  PRIMARY KEY,
    token       BIGINT NOT NULL,                -- of whoever holds the key
    fingerprint BYTEA  NOT NULL,
    until       BIGINT NOT NULL,                -- end of the lease, or of the time for which the reply is kept; milliseconds since 1970
    reply       BYTEA                           -- NULL: it runs
);

-- Pruning looks only at what it removes: what is done goes at its end, what runs much later.
CREATE INDEX idempotency_done ON onramp.idempotency (until) WHERE reply IS NOT NULL;
CREATE INDEX idempotency_running ON onramp.idempotency (until) WHERE reply IS NULL;
