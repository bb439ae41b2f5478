// Package rarely keeps a log readable: what a poll or a retry would say again and again is said once, and
// then at intervals, with how often it was not said in between.
package rarely

import (
	"context"
	"log/slog"
	"regexp"
	"sync"
	"time"
)

// Every is between two lines that say the same, unless Lines says otherwise: an operator who has just
// come sees the trouble that lasts, and what was before it stays in sight.
const Every = 10 * time.Minute

// most bounds what is remembered; past it, all is news again.
const most = 16

// varying is what differs from one time to the next in the same error: ports, most of all.
var varying = regexp.MustCompile(`[0-9a-fA-F]{8,}|[0-9]{4,}`)

// Lines knows what was logged. The zero value is ready.
type Lines struct {
	Every time.Duration // 0: the package's

	mu   sync.Mutex // guards said
	said map[string]*repeated
}

// repeated is a line that was logged then, and so many times not since.
type repeated struct {
	at      time.Time
	skipped int
}

// Worth says whether a text is worth a line at a moment, and how many times it was not since the last.
func (l *Lines) Worth(text string, at time.Time) (worth bool, skipped int) {
	every := l.Every
	if every == 0 {
		every = Every
	}
	text = varying.ReplaceAllString(text, "#")
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.said[text]; r != nil && at.Sub(r.at) < every {
		r.skipped++
		return false, 0
	} else if r != nil {
		skipped = r.skipped
	}
	if l.said == nil || len(l.said) >= most {
		l.said = make(map[string]*repeated)
	}
	l.said[text] = &repeated{at: at}
	return true, skipped
}

// Forget makes all news again: things have been well since.
func (l *Lines) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = nil
}

// Log logs a message with its error, unless it has said the same of that error lately. The attributes do
// not count: of what happens to a thousand clientes for one reason, one is named.
func (l *Lines) Log(log *slog.Logger, level slog.Level, message string, err error, attributes ...any) {
	text := message
	if err != nil {
		text += " " + err.Error()
		attributes = append(attributes, "err", err)
	}
	worth, skipped := l.Worth(text, time.Now())
	if !worth {
		return
	}
	if skipped > 0 {
		attributes = append(attributes, "repeated", skipped)
	}
	log.Log(context.Background(), level, message, attributes...)
}
