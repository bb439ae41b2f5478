package session

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	waLog "go.mau.fi/whatsmeow/util/log"

	"session-manager/node/rarely"
)

// tell logs that the session has come to a state.
func (s *Session) tell(now Snapshot) {
	attributes := []any{"state", string(now.State), "attempts", now.Attempts, "err", now.LastError.Message}
	if now.LastError.Code != "" {
		worth, skipped := s.news.Worth(string(now.State)+" "+now.LastError.Message, time.Now())
		if !worth {
			return
		}
		if skipped > 0 {
			attributes = append(attributes, "repeated", skipped)
		}
	}
	s.log.Info("session", attributes...)
}

// clientLog passes whatsmeow's errors on. Its other lines may hold whole stanzas, and what
// happens to a session is logged as states.
type clientLog struct {
	log     *slog.Logger
	news    *rarely.Lines
	module  string
	metrics *metrics
}

func (l clientLog) Errorf(msg string, args ...any) {
	if unansweredRetry(msg) {
		l.metrics.unanswered.Inc()
	}
	text := fmt.Sprintf(msg, args...)
	if worth, _ := l.news.Worth(l.module+" "+text, time.Now()); worth {
		l.log.Warn("whatsmeow", "module", l.module, "text", text)
	}
}
func (clientLog) Warnf(string, ...any)  {}
func (clientLog) Infof(string, ...any)  {}
func (clientLog) Debugf(string, ...any) {}
func (l clientLog) Sub(module string) waLog.Logger {
	return clientLog{l.log, l.news, l.module + "/" + module, l.metrics}
}

// unansweredRetry says whether that is what whatsmeow reports where it could not send a message again
// that its recipient asked for. It tells it in no other way.
func unansweredRetry(msg string) bool {
	return strings.HasPrefix(msg, "Failed to handle retry receipt") || strings.HasPrefix(msg, "Retry receipt handler panicked")
}

// silence is libsignal's logger: what it reports comes back as errors too.
type silence struct{}

func (silence) Debug(string, string)   {}
func (silence) Info(string, string)    {}
func (silence) Warning(string, string) {}
func (silence) Error(string, string)   {}
func (silence) Configure(string)       {}
