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
	Attempts       int    // reconnections since the last READY
	QR             string // the raw code, in QRRequired
	QRExpires      time.Time
	QRGenerated    time.Time
	ConnectedAt    time.Time
	DisconnectedAt time.Time
	Phone          string // "+549..." once paired
	LastError      ErrorInfo
}

// Snapshot is the session's present state.
func (s *Session) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = true
	return s.now
}

// peek is Snapshot for the session itself: it does not count as having been reported.
func (s *Session) peek() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Changed is closed at the next change. Take it before Snapshot.
func (s *Session) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// update changes the snapshot, and wakes who waits.
func (s *Session) update(change func(now *Snapshot)) {
	s.mu.Lock()
	before := s.now
	change(&s.now)
	after := s.now
	if after == before {
		s.mu.Unlock()
		return
	}
	if after.State != before.State {
		s.seen = false
	}
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
	if after.State != before.State {
		s.engine.metrics.moved(before.State, after.State)
		s.log.Info("session", "state", string(after.State), "attempts", after.Attempts, "err", after.LastError.Message)
	}
}

// to moves to a state without a QR.
func (s *Session) to(state State) {
	s.update(func(now *Snapshot) {
		now.State = state
		now.QR, now.QRExpires, now.QRGenerated = "", time.Time{}, time.Time{}
	})
}

// failed moves to a state because of err.
func (s *Session) failed(state State, code string, err error) {
	s.update(func(now *Snapshot) {
		if now.State == Ready {
			now.DisconnectedAt = time.Now()
		}
		now.State = state
		now.QR, now.QRExpires, now.QRGenerated = "", time.Time{}, time.Time{}
		now.LastError = ErrorInfo{Code: code, Message: err.Error()}
	})
}
