package emulator

import (
	"sync"
	"time"
)

// Kinds of events.
const (
	KindPhone         = "phone"          // a phone was added
	KindPaired        = "paired"         // a device was linked
	KindPairFailed    = "pair_failed"    // a scan was refused by the client
	KindUnlinked      = "unlinked"       // a device was removed
	KindLogin         = "login"          // a device logged in
	KindLogout        = "logout"         // a device's socket ended
	KindRefused       = "refused"        // a connection or login was refused; Code says how
	KindOverlap       = "overlap"        // a device logged in while its former socket was open
	KindConflict      = "conflict"       // the former socket was kicked
	KindStale         = "stale"          // a kicked socket spoke
	KindMessage       = "message"        // a message was accepted
	KindDuplicate     = "duplicate"      // a message with an ID that was accepted before
	KindMessageFailed = "message_failed" // a message was refused; Code says how
	KindEmpty         = "empty_participants"
	KindMissed        = "missed_devices" // a message left out devices of its recipient
	KindInbox         = "inbox"          // a phone decrypted a message
	KindCopy          = "copy"           // a phone got a message that it had
	KindUndecryptable = "undecryptable"  // a phone could not decrypt
	KindFork          = "ratchet_fork"   // ratchet state was used that another use had gone past
	KindGap           = "ratchet_gap"    // counters were skipped: harmless
	KindReceipt       = "receipt"        // a device's receipt
	KindRetry         = "retry"          // a device asks for a message again
	KindNack          = "nack"           // a device could not use a stanza
	KindLostAck       = "lost_ack"       // the fault lose_ack kept an ack back
	KindUnheard       = "unheard"        // the fault deaf swallowed a stanza
	KindKeys          = "keys"           // a device uploaded keys
	KindFault         = "fault"          // a fault was set, cleared or ended
	KindUnknown       = "unknown"        // a stanza or query that nothing here knows
	KindClientError   = "client_error"   // a client broke the protocol
	KindGroup         = "group"          // a group was created
	KindReinstalled   = "reinstalled"    // a phone was installed anew
	KindStanza        = "stanza"         // a raw stanza was ordered
	KindStreamError   = "stream_error"   // the fault stream_error broke a stream
	KindDupAck        = "dup_ack"        // the fault dup_ack sent an ack twice
)

// Event is one entry of the log. Never a body or a key.
type Event struct {
	N      int64     `json:"n"` // from 1, without gaps
	At     time.Time `json:"at"`
	Kind   string    `json:"kind"`
	Number string    `json:"number,omitempty"` // the account whose event it is
	Device string    `json:"device,omitempty"` // the device that acted
	Login  int       `json:"login,omitempty"`  // under which of its logins, from 1
	Peer   string    `json:"peer,omitempty"`   // the other side
	ID     string    `json:"id,omitempty"`     // of the stanza
	Code   int       `json:"code,omitempty"`
	Detail string    `json:"detail,omitempty"`
}

// Stats are the referee's counters since the start.
type Stats struct {
	Logins        int64 `json:"logins"`
	Connected     int64 `json:"connected"`
	Conflicts     int64 `json:"conflicts"`     // logins that kicked a socket
	Overlaps      int64 `json:"overlaps"`      // two sockets of one device open at once
	Messages      int64 `json:"messages"`      // accepted from devices and phones, each ID once
	Duplicates    int64 `json:"duplicates"`    // accepted with an ID of before, re-encrypted or not
	Undecryptable int64 `json:"undecryptable"` // arrivals that a phone could not decrypt
	RatchetForks  int64 `json:"ratchet_forks"`
	RatchetGaps   int64 `json:"ratchet_gaps"` // skipped counters: no harm
	Empty         int64 `json:"empty_participants"`
	Retries       int64 `json:"retries"`
	Unknown       int64 `json:"unknown"` // stanzas and queries that nothing here knows
	// MostLogins10s is the most logins of one device within any 10 s.
	MostLogins10s int64 `json:"most_logins_10s"`
	LastEvent     int64 `json:"last_event"`
}

// referee numbers the events and counts. Its lock is a leaf.
type referee struct {
	limit int

	mu     sync.Mutex // guards what follows
	events []Event    // the newest, at most twice limit
	stats  Stats
}

func newReferee(limit int) *referee { return &referee{limit: limit} }

// note books an event: its number, its time, and the counter of its kind.
func (e *Emulator) note(ev Event) { e.referee.note(ev) }

func (r *referee) note(ev Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.LastEvent++
	ev.N, ev.At = r.stats.LastEvent, time.Now()
	switch ev.Kind {
	case KindMessage:
		r.stats.Messages++
	case KindDuplicate:
		r.stats.Duplicates++
	case KindUndecryptable:
		r.stats.Undecryptable++
	case KindFork:
		r.stats.RatchetForks++
	case KindGap:
		r.stats.RatchetGaps++
	case KindOverlap:
		r.stats.Overlaps++
	case KindConflict:
		r.stats.Conflicts++
	case KindLogin:
		r.stats.Logins++
	case KindEmpty:
		r.stats.Empty++
	case KindRetry:
		r.stats.Retries++
	case KindUnknown:
		r.stats.Unknown++
	}
	r.events = append(r.events, ev)
	if len(r.events) >= 2*r.limit {
		r.events = append([]Event(nil), r.events[len(r.events)-r.limit:]...)
	}
}

func (r *referee) connected(change int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.Connected += change
}

// loggedIn books how often one device has logged in within the last 10 s.
func (r *referee) loggedIn(recent int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.MostLogins10s = max(r.stats.MostLogins10s, int64(recent))
}

// Events returns the events after number since, oldest first. The oldest may have been
// dropped (Options.MaxEvents); the numbers tell.
func (e *Emulator) Events(since int64) []Event {
	r := e.referee
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		return []Event{}
	}
	skip := max(0, since+1-r.events[0].N)
	if skip >= int64(len(r.events)) {
		return []Event{}
	}
	return append([]Event{}, r.events[skip:]...)
}

// Stats returns the counters.
func (e *Emulator) Stats() Stats {
	r := e.referee
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}
