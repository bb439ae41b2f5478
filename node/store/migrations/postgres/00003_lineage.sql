-- +goose Up

-- Which database this is, where it tells: another one is refused, and a failover ends all sessions
-- (protocol rule 13).
ALTER TABLE birth ADD COLUMN system_id TEXT NOT NULL DEFAULT ''; -- '': not known
ALTER TABLE birth ADD COLUMN timeline BIGINT NOT NULL DEFAULT 0; -- 0: not known
