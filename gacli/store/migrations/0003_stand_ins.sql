-- Why a reading serves the accounting alone; empty for one that may be compared.
ALTER TABLE readings ADD COLUMN stand_in TEXT NOT NULL DEFAULT '';
