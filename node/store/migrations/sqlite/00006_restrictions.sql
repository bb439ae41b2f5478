-- +goose Up

-- What WhatsApp has put on an account for good: nothing is paired before an operator says so. The
-- device's row goes, and jid stays: to a node of the release before, which does not know these columns,
-- that is a cliente whose credentials are missing, and not one to be paired.
ALTER TABLE clientes ADD COLUMN restriction INTEGER NOT NULL DEFAULT 0; -- code of WhatsApp's refusal; 0: none
ALTER TABLE clientes ADD COLUMN restriction_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE clientes ADD COLUMN restricted_at BIGINT NOT NULL DEFAULT 0;

-- Where a node tries whether the database has room for more: a row is put here and deleted again.
CREATE TABLE probes (
	incarnation TEXT PRIMARY KEY,
	payload     BLOB NOT NULL
);
