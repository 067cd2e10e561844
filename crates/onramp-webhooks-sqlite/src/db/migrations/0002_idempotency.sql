-- One row for each request that is running or has a stored reply. Keys are hashes, so a table ordered by key would scatter rows that are
-- written at the same time.
CREATE TABLE onramp_idempotency (
    id          INTEGER PRIMARY KEY,
    key         BLOB    NOT NULL UNIQUE,
    token       INTEGER NOT NULL,               -- of the request that holds the key
    fingerprint BLOB    NOT NULL,
    until       INTEGER NOT NULL,               -- end of the lease or of the stored reply; milliseconds since 1970
    reply       BLOB                            -- NULL: running
) STRICT;

-- Pruning reads only the rows that it removes. Completed rows are removed at their end, running ones much later.
CREATE INDEX onramp_idempotency_done ON onramp_idempotency (until) WHERE reply IS NOT NULL;
CREATE INDEX onramp_idempotency_running ON onramp_idempotency (until) WHERE reply IS NULL;
