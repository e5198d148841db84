-- works with the code of 1

-- Rows are replaced all the time. Where neither an indexed column nor the page changes, PostgreSQL does that without
-- touching an index; so pages keep room, and the index is on the minute and not on the millisecond.
CREATE TABLE session (
    id text COLLATE "C" PRIMARY KEY,
    updated_minute bigint NOT NULL,
    updated_at bigint NOT NULL,
    version bigint NOT NULL,
    record bytea NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.02);

-- The record is compressed already.
ALTER TABLE session ALTER COLUMN record SET STORAGE EXTERNAL;

CREATE INDEX session_by_minute ON session (updated_minute DESC);

CREATE TABLE cell (
    name text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    value bytea NOT NULL
) WITH (fillfactor = 50);
