-- What happened to deliveries beside a success at the first attempt. A delivery has few entries, which are numbered.
CREATE TABLE onramp_history (
    delivery INTEGER NOT NULL,
    nth      INTEGER NOT NULL,
    kind     INTEGER NOT NULL,                  -- 0 failed 1 parked 2 dead 3 duplicate 4 requeued 5 replayed 6 resolved 7 reopened 8 revealed 9 lease lost
    cause    INTEGER,                           -- of a dead letter
    first_at INTEGER NOT NULL,                  -- milliseconds since 1970
    last_at  INTEGER NOT NULL,
    times    INTEGER NOT NULL,                  -- repetitions of the last entry are counted
    text     TEXT,
    PRIMARY KEY (delivery, nth)
) STRICT, WITHOUT ROWID;

-- Texts may hold personal data, and end with the body, also if an older program removes it.
CREATE TRIGGER onramp_history_body AFTER DELETE ON onramp_bodies BEGIN
    UPDATE onramp_history SET text = NULL WHERE delivery = OLD.id;
END;
CREATE TRIGGER onramp_history_delivery AFTER DELETE ON onramp_deliveries BEGIN
    DELETE FROM onramp_history WHERE delivery = OLD.id;
END;
