-- An operator has dealt with a delivery that is dead, quarantined or in conflict. It is open again if it is settled later.
ALTER TABLE onramp.deliveries
    ADD COLUMN IF NOT EXISTS resolved_at BIGINT, -- milliseconds since 1970
    ADD COLUMN IF NOT EXISTS resolution TEXT;
