-- An operator has dealt with a delivery that is dead, quarantined or in conflict. It is open again if it is settled later.
ALTER TABLE onramp_deliveries ADD COLUMN resolved_at INTEGER; -- milliseconds since 1970
ALTER TABLE onramp_deliveries ADD COLUMN resolution TEXT;

-- Contains what waits for an operator: it waits for no worker, and was settled with a cause or never. No column of the condition is changed
-- by a claim.
CREATE INDEX onramp_deliveries_open ON onramp_deliveries (id)
    WHERE due_at IS NULL AND waits_at IS NULL AND (cause IS NOT NULL OR settled_at IS NULL)
        AND (resolved_at IS NULL OR resolved_at < settled_at);
