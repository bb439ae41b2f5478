package session

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"runtime/pprof"
)

// label is the name under which a crash report, and a profile, tell whose goroutine it was. Package
// crash reads it.
const label = "cliente"

// labelled are the labels of the goroutines that run on behalf of a cliente. whatsmeow's inherit them from
// the one that connects or sends: a panic there ends the process, and its report names the cliente.
func labelled(cliente string) context.Context {
	return pprof.WithLabels(context.Background(), pprof.Labels(label, cliente))
}

// unlabelled runs what is done for all clientes on a goroutine of one: connections that it opens stay.
func (s *Session) unlabelled(fn func() error) error {
	pprof.SetGoroutineLabels(context.Background())
	defer pprof.SetGoroutineLabels(s.labels)
	return fn()
}

// onBehalf runs a call of whatsmeow on a caller's goroutine. What whatsmeow starts there carries the
// session's labels. A panic of the call itself stays with this cliente: it is an error here, and the session
// begins anew with another client, since this one may have kept a lock.
func (s *Session) onBehalf(call func() error) (err error) {
	pprof.SetGoroutineLabels(s.labels)
	defer func() {
		pprof.SetGoroutineLabels(context.Background())
		if r := recover(); r != nil {
			s.engine.metrics.panics.Inc()
			s.news.Log(s.log, slog.LevelError, "panic in a call of whatsmeow, it is kept within this cliente", fmt.Errorf("%v", r), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", r)
			select {
			case s.events <- panicked{r}:
			default: // the session has other things to do first, and finds a client that does not answer
			}
		}
	}()
	return call()
}

// panicked is the event that a call of whatsmeow has panicked.
type panicked struct{ value any }
