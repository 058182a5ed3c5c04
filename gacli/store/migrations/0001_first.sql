-- Times named *_at are ISO 8601 UTC on the job's clock; times named *_epoch_s are real seconds since 1970.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    config_path TEXT NOT NULL,
    config_text TEXT NOT NULL,
    config_sha256 TEXT NOT NULL,
    clock_epoch_s REAL NOT NULL,
    clock_start_at TEXT NOT NULL,
    clock_scale REAL NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL DEFAULT '',
    generation INTEGER NOT NULL DEFAULT 0,
    first_site TEXT,
    unmovable_because TEXT NOT NULL DEFAULT '',
    checkpoint TEXT,                       -- JSON of the newest verified copy that the controller holds
    crashes INTEGER NOT NULL DEFAULT 0,    -- in a row, without new steps in between
    furthest_step INTEGER NOT NULL DEFAULT -1,
    created_epoch_s REAL NOT NULL,
    finished_epoch_s REAL,
    UNIQUE (name, number)
);

CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    site TEXT NOT NULL,
    state TEXT NOT NULL,                   -- requested | held | releasing | gone
    phase TEXT NOT NULL,                   -- how its time is accounted: boot | idle | transfer | metered
    generation INTEGER NOT NULL,           -- the generation that its time counts for
    requested_at TEXT NOT NULL,
    accounted_until_at TEXT NOT NULL,      -- the ledger is complete up to here
    gone_at TEXT
);
CREATE INDEX instances_of_job ON instances (job_id, state);

CREATE TABLE generations (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    generation INTEGER NOT NULL,
    instance_id TEXT NOT NULL REFERENCES instances (id),
    site TEXT NOT NULL,
    state TEXT NOT NULL,                   -- starting | live | ended
    from_step INTEGER NOT NULL,            -- step of the checkpoint it started from, -1 for none
    requested_at TEXT NOT NULL,
    started_at TEXT,
    first_step_at TEXT,
    ended_at TEXT,
    outcome TEXT NOT NULL DEFAULT '',
    last_seq INTEGER NOT NULL DEFAULT 0,   -- telemetry up to here is in the ledger
    PRIMARY KEY (job_id, generation)
);

CREATE TABLE placements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    purpose TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    source_instance TEXT REFERENCES instances (id),
    target_instance TEXT REFERENCES instances (id),
    target_site TEXT,
    checkpoint TEXT,                       -- JSON, once chosen
    generation INTEGER,                    -- the one that it starts, once assigned
    moved_bytes INTEGER NOT NULL DEFAULT 0,
    times TEXT NOT NULL DEFAULT '{}',      -- JSON: state -> time it was entered
    detail TEXT NOT NULL DEFAULT '',
    finished INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX placements_of_job ON placements (job_id, finished);

CREATE TABLE site_blocks (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    site TEXT NOT NULL,
    until_at TEXT NOT NULL,
    because TEXT NOT NULL,
    fault INTEGER NOT NULL,
    PRIMARY KEY (job_id, site)
);

CREATE TABLE decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    at TEXT NOT NULL,
    policy TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT,
    reason TEXT NOT NULL,
    numbers TEXT NOT NULL
);
CREATE INDEX decisions_of_job ON decisions (job_id, id);

CREATE TABLE readings (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    zone TEXT NOT NULL,
    at TEXT NOT NULL,
    period_s REAL NOT NULL,
    intensity_g_per_kwh REAL NOT NULL,
    signal TEXT NOT NULL,
    scope TEXT NOT NULL,
    quality TEXT NOT NULL,
    source TEXT NOT NULL,
    renewable_percent REAL,
    PRIMARY KEY (job_id, zone, at)
) WITHOUT ROWID;

CREATE TABLE intervals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    instance_id TEXT NOT NULL REFERENCES instances (id),
    site TEXT NOT NULL,
    zone TEXT NOT NULL,
    generation INTEGER NOT NULL,
    phase TEXT NOT NULL,
    start_at TEXT NOT NULL,
    end_at TEXT NOT NULL,
    energy_j REAL NOT NULL,
    pue REAL NOT NULL,
    intensity_g_per_kwh REAL NOT NULL,
    emissions_g REAL NOT NULL,
    meter TEXT NOT NULL,
    modelled INTEGER NOT NULL,
    quality TEXT NOT NULL,
    carbon_source TEXT NOT NULL,
    extrapolated INTEGER NOT NULL
);
CREATE INDEX intervals_of_job ON intervals (job_id, instance_id, id);

CREATE TABLE progress (
    job_id TEXT PRIMARY KEY REFERENCES jobs (id),
    generation INTEGER NOT NULL,
    at TEXT NOT NULL,
    step INTEGER NOT NULL,
    total_steps INTEGER,
    loss REAL,
    steps_per_s REAL,                      -- on the job's clock
    metrics TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE live_steps (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    key TEXT NOT NULL,
    what TEXT NOT NULL,
    detail TEXT NOT NULL,
    done REAL,
    total REAL,
    unit TEXT NOT NULL,
    rate REAL,
    epoch_s REAL NOT NULL,
    PRIMARY KEY (job_id, key)
);

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    at TEXT NOT NULL,
    epoch_s REAL NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX events_of_job ON events (job_id, id);

CREATE TABLE commands (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id),
    verb TEXT NOT NULL,                    -- pause | resume | migrate | stop
    site TEXT,
    epoch_s REAL NOT NULL,
    outcome TEXT                           -- null until taken
);
CREATE INDEX commands_of_job ON commands (job_id, id);
