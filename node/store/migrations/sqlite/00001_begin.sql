-- +goose Up

-- Which etcd this store belongs to: one row (protocol rule 1).
CREATE TABLE birth (
	id         INTEGER PRIMARY KEY CHECK (id = 1),
	uuid       TEXT    NOT NULL,
	generation BIGINT  NOT NULL,
	born       BOOLEAN NOT NULL,
	revision   BIGINT  NOT NULL -- the highest of etcd's revisions that was seen
);

-- Who exists, and which WhatsApp device is whose. A cliente with a device should run.
CREATE TABLE clientes (
	cliente    BIGINT PRIMARY KEY,
	jid        TEXT,
	created_at BIGINT NOT NULL -- microseconds since 1970, as all moments here
);

-- The highest token seen for a cliente: writes commit only where theirs stands here.
CREATE TABLE fences (
	cliente     BIGINT PRIMARY KEY,
	generation  BIGINT NOT NULL,
	revision    BIGINT NOT NULL,
	node        TEXT   NOT NULL,
	incarnation TEXT   NOT NULL
);

-- What a node that etcd cannot vouch for says here (protocol rule 5): one row a node.
CREATE TABLE notes (
	node        TEXT    PRIMARY KEY,
	incarnation TEXT    NOT NULL,
	number      BIGINT  NOT NULL,
	noted_at    BIGINT  NOT NULL, -- by the database's clock
	stopped     BOOLEAN NOT NULL
);

-- Sends by idempotency key, stored before the frame leaves.
CREATE TABLE sends (
	cliente    BIGINT  NOT NULL,
	key        TEXT    NOT NULL,
	message_id TEXT    NOT NULL,
	body_hash  BLOB      NOT NULL,
	done       BOOLEAN NOT NULL, -- WhatsApp has acknowledged it
	sent_at    BIGINT  NOT NULL,
	created_at BIGINT  NOT NULL,
	PRIMARY KEY (cliente, key)
);

-- Incoming messages, stored before they are acknowledged.
CREATE TABLE outbox (
	cliente    BIGINT NOT NULL,
	message_id TEXT   NOT NULL,
	chat       TEXT   NOT NULL,
	sender     TEXT   NOT NULL,
	sent_at    BIGINT NOT NULL,
	kind       TEXT   NOT NULL,
	payload    BLOB     NOT NULL,
	created_at BIGINT NOT NULL,
	PRIMARY KEY (cliente, message_id)
);
