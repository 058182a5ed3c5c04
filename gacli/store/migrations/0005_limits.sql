-- How far a job's GPUs are to be held back; the newest counts. What came of it is in the events.
CREATE TABLE limits (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    at TEXT NOT NULL,
    generation INTEGER NOT NULL,           -- the job's newest then: later ones are started with it
    power_w REAL,                          -- of each GPU; with neither, no limit
    clock_mhz INTEGER,
    reason TEXT NOT NULL
);
CREATE INDEX limits_of_job ON limits (job_id, id);
