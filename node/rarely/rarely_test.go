package rarely

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What the same line differs in from one time to the next does not make it news; another code does.
func TestFaultB8News(t *testing.T) {
	var l Lines
	at := time.Unix(1_000_000, 0)
	for i, c := range []struct {
		text  string
		later time.Duration
		worth bool
	}{
		{"dial tcp 127.0.0.1:40001: refused", 0, true}, {"dial tcp 127.0.0.1:40002: refused", time.Second, false},
		{"409: refused", time.Second, true}, {"415: refused", time.Second, true}, {"409: refused", time.Second, false},
		{"dial tcp 127.0.0.1:40003: refused", Every, true},
	} {
		at = at.Add(c.later)
		if worth, _ := l.Worth(c.text, at); worth != c.worth {
			t.Errorf("line %d: %v", i, worth)
		}
	}
	if worth, _ := l.Worth("409: refused", at); !worth {
		t.Error("what was said long ago is no news")
	}
	l.Forget()
	if worth, _ := l.Worth("409: refused", at); !worth {
		t.Error("what was forgotten is no news")
	}
	for i := range 3 * most {
		l.Worth(strings.Repeat("x", i), at)
	}
	if len(l.said) > most {
		t.Errorf("%d lines are remembered", len(l.said))
	}
}

// The line that is said again tells how often it was not.
func TestFaultB8Repeated(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, nil))
	l := Lines{Every: time.Hour}
	for i := range 5 {
		l.Log(log, slog.LevelWarn, "no way", errors.New("refused"), "cliente", i)
	}
	for _, r := range l.said {
		r.at = r.at.Add(-time.Hour)
	}
	l.Log(log, slog.LevelWarn, "no way", errors.New("refused"), "cliente", 6)
	if lines := strings.Split(strings.TrimSpace(text.String()), "\n"); len(lines) != 2 || !strings.Contains(lines[1], fmt.Sprintf("repeated=%d", 4)) {
		t.Errorf("\n%s", text.String())
	}
}
