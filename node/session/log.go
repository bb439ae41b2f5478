package session

import (
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"time"

	waLog "go.mau.fi/whatsmeow/util/log"
)

// sayEvery is between two lines of the log that say the same of one session.
const sayEvery = 10 * time.Minute

// news knows what has been logged of a session: what repeats itself is said rarely. The zero value is
// ready.
type news struct {
	mu   sync.Mutex // guards said
	said map[string]*repeated
}

// repeated is a line that was logged then, and so many times not since.
type repeated struct {
	at      time.Time
	skipped int
}

// maxSaid bounds what is remembered; past it, all is news again.
const maxSaid = 16

// varying is what differs from one time to the next in the same error: ports, most of all.
var varying = regexp.MustCompile(`[0-9]{4,}|[0-9a-fA-F]{8,}`)

// is says whether a text is worth a line, and how many times it was not since the last.
func (n *news) is(text string, at time.Time) (worth bool, skipped int) {
	text = varying.ReplaceAllString(text, "#")
	n.mu.Lock()
	defer n.mu.Unlock()
	if r := n.said[text]; r != nil && at.Sub(r.at) < sayEvery {
		r.skipped++
		return false, 0
	} else if r != nil {
		skipped = r.skipped
	}
	if n.said == nil || len(n.said) >= maxSaid {
		n.said = make(map[string]*repeated)
	}
	n.said[text] = &repeated{at: at}
	return true, skipped
}

// forget makes all news again.
func (n *news) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = nil
}

// tell logs that the session has come to a state.
func (s *Session) tell(now Snapshot) {
	attributes := []any{"state", string(now.State), "attempts", now.Attempts, "err", now.LastError.Message}
	if now.LastError.Code != "" {
		worth, skipped := s.news.is(string(now.State)+" "+now.LastError.Message, time.Now())
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
	news    *news
	module  string
	metrics *metrics
}

func (l clientLog) Errorf(msg string, args ...any) {
	if unansweredRetry(msg) {
		l.metrics.unanswered.Inc()
	}
	text := fmt.Sprintf(msg, args...)
	if worth, _ := l.news.is(l.module+" "+text, time.Now()); worth {
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
