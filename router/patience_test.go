package router

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		router, stop := context.WithCancel(t.Context())
		new := func() *patience {
			return &patience{router: router, deadline: time.Now().Add(time.Second)}
		}
		// It ends at its deadline, and what is derived from it with it.
		p := new()
		derived, cancel := context.WithCancel(p)
		defer cancel()
		if d, ok := p.Deadline(); !ok || time.Until(d) != time.Second || p.Err() != nil {
			t.Errorf("deadline %v %v, %v", d, ok, p.Err())
		}
		begun := time.Now()
		<-derived.Done()
		if took := time.Since(begun); took != time.Second || !errors.Is(derived.Err(), context.DeadlineExceeded) || !errors.Is(p.Err(), context.DeadlineExceeded) {
			t.Errorf("ended after %v: %v, %v", took, derived.Err(), p.Err())
		}
		p.end()

		// It ends when the request has: whoever waits, or begins to.
		p = new()
		done := p.Done()
		p.end()
		<-done
		late := new()
		late.end()
		<-late.Done()
		if !errors.Is(p.Err(), context.Canceled) || !errors.Is(late.Err(), context.Canceled) {
			t.Errorf("%v, %v", p.Err(), late.Err())
		}

		// It ends with the router.
		p = new()
		stop()
		<-p.Done()
		p.end()
	})
}
