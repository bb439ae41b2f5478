package session

import (
	"fmt"
	"log/slog"
	"strings"

	waLog "go.mau.fi/whatsmeow/util/log"
)

// clientLog passes whatsmeow's errors on. Its other lines may hold whole stanzas, and what
// happens to a session is logged as states.
type clientLog struct {
	log     *slog.Logger
	module  string
	metrics *metrics
}

func (l clientLog) Errorf(msg string, args ...any) {
	if unansweredRetry(msg) {
		l.metrics.unanswered.Inc()
	}
	l.log.Warn("whatsmeow", "module", l.module, "text", fmt.Sprintf(msg, args...))
}
func (clientLog) Warnf(string, ...any)  {}
func (clientLog) Infof(string, ...any)  {}
func (clientLog) Debugf(string, ...any) {}
func (l clientLog) Sub(module string) waLog.Logger {
	return clientLog{l.log, l.module + "/" + module, l.metrics}
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
