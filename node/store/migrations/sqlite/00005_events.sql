-- +goose Up

-- What happened to a cliente: one ordered log each. The release before writes to outbox; whoever takes a
-- cliente over moves its rows from there, and a later release drops that table.
CREATE TABLE events (
	cliente     BIGINT NOT NULL,
	sequence    BIGINT NOT NULL, -- counted by the owner, under its fence; it may have gaps
	id          TEXT   NOT NULL,
	event       TEXT   NOT NULL, -- message, message.edited, ...
	identity    TEXT,            -- of what comes once: sender and message ID, see incoming.go; NULL: it may repeat
	happened_at BIGINT NOT NULL,
	payload     TEXT   NOT NULL, -- JSON
	message     BLOB,           -- as protobuf, where it is one
	node        TEXT   NOT NULL,
	generation  BIGINT NOT NULL, -- with revision, the owner's token
	revision    BIGINT NOT NULL,
	created_at  BIGINT NOT NULL,
	PRIMARY KEY (cliente, sequence)
);
CREATE UNIQUE INDEX events_identity ON events (cliente, identity);

-- Whether the caller has its answer, of sends without a key of the caller's (open.go).
ALTER TABLE sends ADD COLUMN told BOOLEAN; -- NULL: the release before stored it, which does not know
