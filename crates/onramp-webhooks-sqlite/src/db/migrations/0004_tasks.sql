-- One row for each periodic task that has stored a state, such as how far it has come.
CREATE TABLE onramp_tasks (
    name    TEXT    PRIMARY KEY,
    version INTEGER NOT NULL,                   -- the number of times that the state was stored
    state   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
