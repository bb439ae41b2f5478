package store

import (
	"context"
	"time"
)

// The deletions here carry no token: what they delete is told by its age, which has nothing to do with
// who owns the cliente.

// ForgetSends deletes at most limit sends that were stored longer ago than age, and acknowledged
// longer ago or never, by the database's clock; it returns how many. One whose outcome is unknown
// is kept as long as any other.
func (s *Store) ForgetSends(ctx context.Context, age time.Duration, limit int) (int64, error) {
	d := s.dialect
	before := "(SELECT " + d.now() + " - " + d.bigint(1) + ")" // a subquery, so that it is asked once and the index serves
	result, err := s.db.Exec(ctx, `DELETE FROM sends WHERE (cliente, key) IN
			(SELECT cliente, key FROM sends WHERE created_at < `+before+` AND sent_at < `+before+` ORDER BY created_at LIMIT $2)
		AND sent_at < `+before, age.Microseconds(), limit)
	if err != nil {
		return 0, s.wrap(err)
	}
	n, err := result.RowsAffected()
	return n, s.wrap(err)
}

// ForgetNotes deletes the notes of processes that have been silent for the time of age, and returns
// how many.
func (s *Store) ForgetNotes(ctx context.Context, age time.Duration) (int64, error) {
	before := s.dialect.now() + " - " + s.dialect.bigint(1)
	result, err := s.db.Exec(ctx, "DELETE FROM notes WHERE noted_at < "+before+" AND touched_at < "+before, age.Microseconds())
	if err != nil {
		return 0, s.wrap(err)
	}
	n, err := result.RowsAffected()
	return n, s.wrap(err)
}

// ForgetTexts deletes at most limit texts that were sent longer ago than age, by the database's clock: they are
// kept for recipients that ask to have one again. The sends themselves stay, with their hashes.
func (s *Store) ForgetTexts(ctx context.Context, age time.Duration, limit int) (int64, error) {
	d := s.dialect
	// Device by device, as the index is by device and time.
	result, err := s.db.Exec(ctx, `DELETE FROM whatsmeow_retry_buffer WHERE (our_jid, chat_jid, message_id) IN
			(SELECT r.our_jid, r.chat_jid, r.message_id FROM whatsmeow_device d JOIN whatsmeow_retry_buffer r
				ON r.our_jid = d.jid AND r.timestamp < (SELECT (`+d.now()+` - `+d.bigint(1)+`) / 1000) LIMIT $2)`, age.Microseconds(), limit)
	if err != nil {
		return 0, s.wrap(err)
	}
	n, err := result.RowsAffected()
	return n, s.wrap(err)
}
