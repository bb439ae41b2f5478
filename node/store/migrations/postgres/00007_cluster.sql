-- +goose Up

-- Clientes that rest, since a node's process died of what WhatsApp sent to them: the latest crash of each.
CREATE TABLE crashes (
	cliente     BIGINT PRIMARY KEY,
	incarnation TEXT   NOT NULL, -- the process that died: it counts once
	node        TEXT   NOT NULL,
	cause       TEXT   NOT NULL,
	crashed_at  BIGINT NOT NULL, -- by the database's clock
	rest        BIGINT NOT NULL, -- microseconds; doubled by the next crash
	rests_until BIGINT NOT NULL  -- by the database's clock
);

-- What is stored of a cliente that was never paired goes with its session.
ALTER TABLE clientes ADD COLUMN paired BOOLEAN NOT NULL DEFAULT false;
UPDATE clientes SET paired = true WHERE jid IS NOT NULL;
