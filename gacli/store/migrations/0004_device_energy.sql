-- The ledger's energy by the device that used it: sums over devices are those of the intervals.
CREATE TABLE device_energy (
    job_id TEXT NOT NULL REFERENCES jobs (id),
    instance_id TEXT NOT NULL REFERENCES instances (id),
    generation INTEGER NOT NULL,
    phase TEXT NOT NULL,
    device TEXT NOT NULL,                  -- gpu0, gpu1, … | cpu | dram | host
    meter TEXT NOT NULL,
    uncertainty TEXT NOT NULL,             -- counter | integrated | model
    energy_j REAL NOT NULL,
    PRIMARY KEY (job_id, instance_id, generation, phase, device, meter, uncertainty)
) WITHOUT ROWID;
-- What was accounted before devices were told apart is the whole host's.
INSERT INTO device_energy
SELECT job_id, instance_id, generation, phase, 'host', meter,
    CASE WHEN modelled THEN 'model' WHEN meter = 'rapl' THEN 'counter' ELSE 'integrated' END,
    SUM(energy_j)
FROM intervals GROUP BY 1, 2, 3, 4, 6, 7;
