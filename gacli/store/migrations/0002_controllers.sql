-- One controller a job: whoever takes over raises the token, and every write of the one before is refused from then on.
CREATE TABLE controllers (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id),
    token INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    since_epoch_s REAL NOT NULL
);
