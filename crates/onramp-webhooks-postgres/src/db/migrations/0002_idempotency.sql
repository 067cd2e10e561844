-- One row for each request that is running or has a stored reply.
CREATE TABLE onramp.idempotency (
    key         BYTEA  PRIMARY KEY,
    token       BIGINT NOT NULL,                -- of the request that holds the key
    fingerprint BYTEA  NOT NULL,
    until       BIGINT NOT NULL,                -- end of the lease or of the stored reply; milliseconds since 1970
    reply       BYTEA                           -- NULL: running
);

-- Pruning reads only the rows that it removes. Completed rows are removed at their end, running ones much later.
CREATE INDEX idempotency_done ON onramp.idempotency (until) WHERE reply IS NOT NULL;
CREATE INDEX idempotency_running ON onramp.idempotency (until) WHERE reply IS NULL;
