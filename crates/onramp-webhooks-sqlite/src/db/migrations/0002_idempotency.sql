-- A row for each request that runs or whose reply is kept. Keys are hashes, so rows that came together would lie far apart in a
-- table ordered by them.
CREATE TABLE onramp_idempotency (
    id          INTEGER PRIMARY KEY,
    key         BLOB    NOT NULL UNIQUE,
    token       INTEGER NOT NULL,               -- of whoever holds the key
    fingerprint BLOB    NOT NULL,
    until       INTEGER NOT NULL,               -- end of the lease, or of the time for which the reply is kept; milliseconds since 1970
    reply       BLOB                            -- NULL: it runs
) STRICT;

-- Pruning looks only at what it removes: what is done goes at its end, what runs much later.
CREATE INDEX onramp_idempotency_done ON onramp_idempotency (until) WHERE reply IS NOT NULL;
CREATE INDEX onramp_idempotency_running ON onramp_idempotency (until) WHERE reply IS NULL;
