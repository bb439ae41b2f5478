package store

import (
	"sync/atomic"
)

// Texts that were sent are kept in clear for recipients that ask to have one again. They go after a day
// (Store.ForgetTexts), and the oldest of a cliente's go where they are more than maxTexts, which is
// looked at after each trimEvery bytes that an owner has added.

const (
	maxTexts = 16 << 20 // bytes of one account
	// textOverhead is what a row takes beside its text.
	textOverhead = 200
	// trimEvery is after how many bytes the owner looks for what is too much.
	trimEvery = maxTexts / 4
)

// trim deletes an account's oldest texts. $4: the device, $5: how many bytes may stay; textOverhead is in there.
const trim = `DELETE FROM whatsmeow_retry_buffer WHERE our_jid = $4 AND EXISTS (SELECT 1 FROM f) AND (chat_jid, message_id) IN
	(SELECT chat_jid, message_id FROM (SELECT chat_jid, message_id, SUM(LENGTH(plaintext) + 200) OVER (ORDER BY timestamp DESC, message_id) AS total
		FROM whatsmeow_retry_buffer WHERE our_jid = $4) AS kept WHERE total > $5)`

// texts counts what an account has stored.
type texts struct {
	since    atomic.Int64 // bytes since it was trimmed
	trimming atomic.Bool
}

// kept books that a text was stored, and has the oldest deleted when it is time, beside the send.
func (s *fencedStore) kept(text []byte) {
	if s.texts.since.Add(int64(len(text))+textOverhead) < trimEvery || !s.texts.trimming.CompareAndSwap(false, true) {
		return
	}
	s.texts.since.Store(0)
	s.begin()
	go func() { // Quiesce waits for it
		defer s.done()
		defer s.texts.trimming.Store(false)
		_, _ = s.exec(s.hold.Context(), trim, s.JID, maxTexts) // it has been logged, and comes again
	}()
}
