package session

import "time"

// State is one of the nine that callers know.
type State string

// The nine states.
const (
	Initializing            State = "INITIALIZING"
	Reconnecting            State = "RECONNECTING"
	Ready                   State = "READY"
	QRRequired              State = "QR_REQUIRED"
	AuthFailure             State = "AUTH_FAILURE"
	DisconnectedRecoverable State = "DISCONNECTED_RECOVERABLE"
	DisconnectedLogout      State = "DISCONNECTED_LOGOUT"
	DisconnectedBanned      State = "DISCONNECTED_BANNED"
	Error                   State = "ERROR"
)

// ErrorInfo is the last thing that went wrong, in words for people.
type ErrorInfo struct{ Code, Message string }

// Snapshot is a session at one moment. Zero times: never.
type Snapshot struct {
	State          State
	Pending        bool      // the state is about to be known: the account is not read yet, or a request has just woken the session
	Ending         bool      // the session is over, or about to be: ask whoever has the cliente next
	Since          time.Time // since when the session is on its way (onItsWay), where it is
	Attempts       int       // reconnections that failed since the last steady connection, as far as callers are shown
	QR             string    // the raw code, in QRRequired
	QRExpires      time.Time
	QRGenerated    time.Time
	ConnectedAt    time.Time
	DisconnectedAt time.Time
	Phone          string // "+549..." once paired
	LID            string // digits, once known
	Name           string // that the account's owner has given it
	Restriction    Restriction
	LastError      ErrorInfo
}

// onItsWay says whether a session in the state comes to another one by itself, soon.
func onItsWay(s State) bool {
	return s == Initializing || s == Reconnecting || s == DisconnectedRecoverable
}

// Snapshot is the session's present state.
func (s *Session) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = s.seen || !s.now.Pending
	return s.now
}

// peek is Snapshot for the session itself: it does not count as having been reported.
func (s *Session) peek() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Changed is closed at the next change, the session's end included. Take it before Snapshot.
func (s *Session) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// update changes the snapshot, and wakes whoever waits.
func (s *Session) update(change func(now *Snapshot)) {
	s.mu.Lock()
	before, after := s.changeLocked(change)
	s.mu.Unlock()
	if after.State != before.State {
		s.engine.metrics.moved(before.State, after.State)
		s.tell(after)
	}
}

// changeLocked is update's part under mu.
func (s *Session) changeLocked(change func(now *Snapshot)) (before, after Snapshot) {
	before = s.now
	change(&s.now)
	if onItsWay(s.now.State) && !onItsWay(before.State) {
		s.now.Since = time.Now()
	}
	if s.now.State != before.State || before.Pending {
		s.seen = false
	}
	if s.now != before {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	return before, s.now
}

// is makes the state known. There is no QR in it; show puts one up.
func (now *Snapshot) is(state State) {
	now.State, now.Pending = state, false
	now.QR, now.QRExpires, now.QRGenerated = "", time.Time{}, time.Time{}
}

// to moves to a state.
func (s *Session) to(state State) { s.update(func(now *Snapshot) { now.is(state) }) }

// failed moves to a state because of err.
func (s *Session) failed(state State, code string, err error) {
	s.update(func(now *Snapshot) {
		if now.State == Ready {
			now.DisconnectedAt = time.Now()
		}
		now.is(state)
		now.LastError = ErrorInfo{Code: code, Message: err.Error()}
	})
}
