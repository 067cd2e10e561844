-- What happened to deliveries beside a success at the first attempt. A delivery has few entries, which are numbered.
CREATE TABLE onramp.history (
    delivery BIGINT   NOT NULL,
    nth      BIGINT   NOT NULL,
    kind     SMALLINT NOT NULL,                 -- 0 failed 1 parked 2 dead 3 duplicate 4 requeued 5 replayed 6 resolved 7 reopened 8 revealed 9 lease lost
    cause    SMALLINT,                          -- of a dead letter
    first_at BIGINT   NOT NULL,                 -- milliseconds since 1970
    last_at  BIGINT   NOT NULL,
    times    BIGINT   NOT NULL,                 -- repetitions of the last entry are counted
    text     TEXT,
    PRIMARY KEY (delivery, nth)
);

-- Adds entries. One that repeats the last one of its delivery is merged with it, and the oldest beyond the bound are removed. The caller has
-- changed the deliveries in its transaction, so no other transaction adds entries of them.
CREATE FUNCTION onramp.remember(deliveries BIGINT[], kinds SMALLINT[], causes SMALLINT[], times_at BIGINT[], texts TEXT[], most BIGINT)
RETURNS VOID VOLATILE LANGUAGE plpgsql SET jit = off SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    added RECORD;
    previous RECORD;
BEGIN
    FOR added IN SELECT * FROM UNNEST(deliveries, kinds, causes, times_at, texts) WITH ORDINALITY AS e (delivery, kind, cause, at, text, nth)
        ORDER BY e.nth
    LOOP
        SELECT h.nth, h.kind, h.cause, h.text INTO previous
            FROM onramp.history h WHERE h.delivery = added.delivery ORDER BY h.nth DESC LIMIT 1;
        IF previous.nth IS NOT NULL AND previous.kind = added.kind AND previous.cause IS NOT DISTINCT FROM added.cause
            AND previous.text IS NOT DISTINCT FROM added.text
        THEN
            UPDATE onramp.history h SET times = h.times + 1, last_at = greatest(h.last_at, added.at)
                WHERE h.delivery = added.delivery AND h.nth = previous.nth;
        ELSE
            INSERT INTO onramp.history (delivery, nth, kind, cause, first_at, last_at, times, text)
                VALUES (added.delivery, coalesce(previous.nth, 0) + 1, added.kind, added.cause, added.at, added.at, 1, added.text);
            DELETE FROM onramp.history h WHERE h.delivery = added.delivery AND h.nth <= coalesce(previous.nth, 0) + 1 - most;
        END IF;
    END LOOP;
END
$$;

-- Texts may hold personal data, and end with the body, also if an older program removes it.
CREATE FUNCTION onramp.forget_history() RETURNS TRIGGER VOLATILE LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'bodies' THEN
        UPDATE onramp.history SET text = NULL WHERE text IS NOT NULL AND delivery IN (SELECT id FROM removed);
    ELSE
        DELETE FROM onramp.history WHERE delivery IN (SELECT id FROM removed);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER history AFTER DELETE ON onramp.bodies REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION onramp.forget_history();
CREATE TRIGGER history AFTER DELETE ON onramp.deliveries REFERENCING OLD TABLE AS removed
    FOR EACH STATEMENT EXECUTE FUNCTION onramp.forget_history();
