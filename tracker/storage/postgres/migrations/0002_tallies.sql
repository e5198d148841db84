-- works with the code of 1

-- What a session counts for in the sums of now. Every statement that changes it notes the change in tally_change. The
-- code of 1 leaves both alone: its new sessions are counted by whoever asks for the sums next.
ALTER TABLE session
    ADD COLUMN tally text,
    ADD COLUMN keys text[],
    ADD COLUMN is_counted boolean NOT NULL DEFAULT false;

-- Columns of an index that change seldom, so that rows go on being replaced without touching an index.
CREATE INDEX session_uncounted ON session (id) WHERE NOT is_counted;
CREATE INDEX session_by_key ON session USING gin (keys) WHERE keys IS NOT NULL;

-- Changes of sums that are not a part of the cell "sums" yet: only ever added, so that nobody waits for another's row,
-- and taken out all at once. `id` says where a row belongs if the tables are distributed.
CREATE TABLE tally_change (
    id text COLLATE "C" NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    tally text NOT NULL,
    living bigint NOT NULL,
    pruned bigint NOT NULL,
    PRIMARY KEY (id, number)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.1);

INSERT INTO cell (name, version, value) VALUES ('sums', 1, '') ON CONFLICT (name) DO NOTHING;
