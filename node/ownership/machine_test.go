package ownership

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// The transcripts in testdata are read as specifications: a command is an event, its output
// the phase and the effects.
func TestMachineTranscripts(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		var m Machine
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd == "new" {
				m = Machine{}
				return m.Phase().String() + "\n"
			}
			effects := m.Step(parseEvent(t, d))
			out := m.Phase().String()
			if m.Token() != (Token{}) {
				out += " token=" + m.Token().String()
			}
			for _, e := range effects {
				out += "\n  -> " + describe(e)
			}
			return out + "\n"
		})
	})
}

func parseEvent(t *testing.T, d *datadriven.TestData) Event {
	number := func(key string) (n int64) {
		var i int
		d.ScanArgs(t, key, &i)
		return int64(i)
	}
	cause := func() error {
		var s string
		d.ScanArgs(t, "cause", &s)
		return errors.New(s)
	}
	switch d.Cmd {
	case "acquire":
		return Acquire{Generation: number("generation")}
	case "created":
		return Created{Revision: number("revision")}
	case "stray":
		return Stray{Revision: number("revision")}
	case "taken":
		return Taken{}
	case "absent":
		return Absent{}
	case "create-failed":
		return CreateFailed{Cause: cause()}
	case "create-unknown":
		return CreateUnknown{}
	case "raised":
		return Raised{}
	case "raise-failed":
		return RaiseFailed{Cause: cause()}
	case "rehung":
		return Rehung{Token: Token{Generation: 1, Revision: number("revision")}}
	case "release":
		return Release{Cause: cause()}
	case "lease-lost":
		return LeaseLost{}
	case "session-ended":
		return SessionEnded{Cause: cause()}
	case "deleted":
		return Deleted{}
	case "delete-unknown":
		return DeleteUnknown{}
	}
	d.Fatalf(t, "unknown event %s", d.Cmd)
	return nil
}

func describe(e Effect) string {
	s := strings.TrimPrefix(fmt.Sprintf("%T", e), "ownership.")
	switch e := e.(type) {
	case ReadKey:
		return fmt.Sprintf("%s again=%v", s, e.Again)
	case RaiseFence:
		return fmt.Sprintf("%s %v", s, e.Token)
	case StartSession:
		return fmt.Sprintf("%s %v", s, e.Token)
	case StopSession:
		return fmt.Sprintf("%s cause=%v", s, e.Cause)
	case DeleteKey:
		return fmt.Sprintf("%s revision=%d again=%v", s, e.Revision, e.Again)
	case Forget:
		return fmt.Sprintf("%s cause=%v", s, e.Cause)
	}
	return s
}

// The markers that seal Event and Effect to this package's types.
func TestSealed(t *testing.T) {
	for _, e := range []Event{Acquire{}, Created{}, Taken{}, Absent{}, CreateFailed{}, CreateUnknown{}, Raised{},
		RaiseFailed{}, Rehung{}, Release{}, LeaseLost{}, SessionEnded{}, Deleted{}, DeleteUnknown{}} {
		e.event()
		var m Machine
		_, acquires := e.(Acquire)
		if effects := m.Step(e); (effects != nil) != acquires || (m.Phase() != Free) != acquires {
			t.Errorf("%T while free: phase %v, effects %v", e, m.Phase(), effects)
		}
	}
	for _, e := range []Effect{CreateKey{}, ReadKey{}, RaiseFence{}, StartSession{}, StopSession{}, DeleteKey{}, Forget{}} {
		e.effect()
	}
}
