package session

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"session-manager/bench/emulator"
	"session-manager/node/keyless"
	"session-manager/node/ownership"
)

// sendKeyless sends as a caller without a key does.
func sendKeyless(s *Session, text string) (key string, sent Sent, err error) {
	m := message(keyless.NewKey(), text)
	sent, err = s.Send(context.Background(), m)
	return m.Key, sent, err
}

// After an unknown outcome, and after none other, the same body without a key is the same message: at this
// owner and at the next.
func TestFaultA3TheSameBodyKeepsItsID(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	_, first, err := sendKeyless(s, "warm") // its caller is never told
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := sendKeyless(s, "warm"); err != nil || again.MessageID != first.MessageID {
		t.Errorf("nobody was told: %+v, then %+v, %v", first, again, err)
	}
	key, first, err := sendKeyless(s, "known")
	if err != nil {
		t.Fatal(err)
	}
	s.Told(key)
	if _, other, err := sendKeyless(s, "known"); err != nil || other.MessageID == first.MessageID {
		t.Errorf("the same on purpose: %+v, then %+v, %v", first, other, err)
	}
	// The acknowledgement is lost: nobody knows.
	w.emu.SetFault(emulator.Fault{Kind: "lose_ack", Number: account})
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	if _, err := s.Send(ctx, message(keyless.NewKey(), "lost")); !errors.Is(err, ownership.ErrUnknownOutcome) {
		t.Fatalf("%v", err)
	}
	w.emu.ClearFaults()
	s.Stop(ownership.ErrReleased)
	<-s.Done()
	next := w.start(m)
	w.waitFor(next, Ready)
	key, lost, err := sendKeyless(next, "lost")
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("one message, once", func() bool {
		shown := 0
		for _, in := range w.inbox(friend) {
			if in.Text == "lost" {
				shown++
				if in.ID != lost.MessageID {
					t.Fatalf("shown as %s, answered as %s", in.ID, lost.MessageID)
				}
			}
		}
		return shown == 1
	})
	next.Told(key)
	if _, other, err := sendKeyless(next, "lost"); err != nil || other.MessageID == lost.MessageID {
		t.Errorf("the same on purpose: %+v, then %+v, %v", lost, other, err)
	}
}

// Several at once are as many messages, if each caller gets its answer.
func TestFaultA3SeveralAtOnceAreSeveral(t *testing.T) {
	w := newWorld(t)
	s := w.pair(newMemory(t))
	var mu sync.Mutex
	ids := map[string]bool{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			key, sent, err := sendKeyless(s, "hola")
			if err != nil {
				t.Error(err)
			}
			s.Told(key)
			mu.Lock()
			defer mu.Unlock()
			ids[sent.MessageID] = true
		})
	}
	all.Wait()
	if len(ids) != 8 {
		t.Errorf("%d messages of 8", len(ids))
	}
	if len(s.bodies.keys) != 0 || len(s.bodies.bodies) != 0 {
		t.Errorf("remembered: %d keys, %d bodies", len(s.bodies.keys), len(s.bodies.bodies))
	}
}

// The rules, without a phone.
func TestFaultA3OpenBodies(t *testing.T) {
	ctx := context.Background()
	var o openBodies
	hash, other := [32]byte{1}, [32]byte{2}
	begin := func(key string, hash [32]byte) *openBody {
		t.Helper()
		b, err := o.begin(ctx, key, hash)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a := begin("a", hash)
	o.end(a, false, ErrNotReady) // nothing has left
	if b := begin("b", hash); b.keys[0] != "b" {
		t.Error("what was not carried out is kept")
	} else {
		o.end(b, true, ownership.ErrUnknownOutcome)
	}
	c := begin("c", hash)
	if c.keys[0] != "b" {
		t.Errorf("sent as %s", c.keys[0])
	}
	if d := begin("d", hash); d.keys[0] != "d" { // b is under way again
		t.Errorf("sent as %s", d.keys[0])
	}
	o.end(c, false, ErrStoreUnavailable) // this time nothing left, but before
	if e := begin("e", hash); e.keys[0] != "b" {
		t.Errorf("sent as %s", e.keys[0])
	} else {
		o.end(e, false, nil)
	}
	if f := begin("f", other); f.keys[0] != "f" {
		t.Error("another body")
	}
	if again := begin("e", hash); again.keys[0] != "b" { // its first node asks again
		t.Errorf("sent as %s", again.keys[0])
	} else {
		o.end(again, false, nil)
	}
	if key, ok := o.tell("c"); key != "b" || !ok { // any of its callers
		t.Errorf("told of %q, %v", key, ok)
	}
	if _, ok := o.tell("nobody's"); ok {
		t.Error("told of nothing")
	}
	g := begin("g", hash)
	if g.keys[0] != "g" {
		t.Error("it is known by now")
	}
	o.end(g, true, ownership.ErrUnknownOutcome)
	g.begun = time.Now().Add(-keyless.Open - time.Second)
	if h := begin("h", hash); h.keys[0] != "h" {
		t.Error("it is too old")
	}
	o.swept = time.Time{}
	begin("i", [32]byte{3})
	if o.keys["g"] != nil {
		t.Error("it is remembered for ever")
	}
}
