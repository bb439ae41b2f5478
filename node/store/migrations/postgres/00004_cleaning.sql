-- +goose Up

-- What is old is deleted: sends by this index, and notes of processes that have long been silent.
CREATE INDEX sends_created ON sends (created_at);
ALTER TABLE notes ADD COLUMN touched_at BIGINT NOT NULL DEFAULT 0; -- by the database's clock, whatever the note said
