-- +goose Up

-- Which ownership came before, and whether it can still run (protocol rules 3 and 5).
ALTER TABLE fences ADD COLUMN settled BOOLEAN NOT NULL DEFAULT true; -- no former owner runs: this one may start
ALTER TABLE fences ADD COLUMN former_generation BIGINT NOT NULL DEFAULT 0; -- the last one that was settled
ALTER TABLE fences ADD COLUMN former_revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE fences ADD COLUMN former_node TEXT NOT NULL DEFAULT '';
ALTER TABLE fences ADD COLUMN former_incarnation TEXT NOT NULL DEFAULT '';
ALTER TABLE fences ADD COLUMN stopped_generation BIGINT NOT NULL DEFAULT 0; -- no session runs under a token up to this one
ALTER TABLE fences ADD COLUMN stopped_revision BIGINT NOT NULL DEFAULT 0;
CREATE INDEX fences_incarnation ON fences (incarnation);

-- What a process that etcd cannot vouch for says here (protocol rule 5).
DROP TABLE notes;
CREATE TABLE notes (
	incarnation        TEXT   PRIMARY KEY,
	node               TEXT   NOT NULL,
	noted_at           BIGINT NOT NULL, -- by the database's clock; 0: it does not ride
	stopped_generation BIGINT NOT NULL, -- none of its sessions runs under a token up to this one
	stopped_revision   BIGINT NOT NULL
);
