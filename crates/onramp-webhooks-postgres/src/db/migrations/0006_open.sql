-- Contains what waits for an operator: it waits for no worker, and was settled with a cause or never. No index contains the state, see the
-- first step.
CREATE INDEX IF NOT EXISTS deliveries_open ON onramp.deliveries (id)
    WHERE due_at IS NULL AND waits_at IS NULL AND (cause IS NOT NULL OR settled_at IS NULL)
        AND (resolved_at IS NULL OR resolved_at < settled_at);
