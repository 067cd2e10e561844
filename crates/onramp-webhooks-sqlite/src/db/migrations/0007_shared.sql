-- Most orders have one delivery, which needs neither of the indexes that tell the deliveries of an order apart: it is not in the index of
-- heads, and has no handled stage.
ALTER TABLE onramp_deliveries ADD COLUMN shared INTEGER NOT NULL DEFAULT 1; -- 1: other deliveries have the same subject, or had it; 0: the only one

DROP INDEX onramp_deliveries_head;
CREATE UNIQUE INDEX onramp_deliveries_head ON onramp_deliveries (subject) WHERE due_at IS NOT NULL AND stage IS NOT NULL AND shared = 1;
