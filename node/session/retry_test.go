package session

import (
	"context"
	"testing"

	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// A phone that has lost its sessions asks for what it cannot decrypt. What is kept goes out again; what
// is not is counted: nobody else learns of it.
func TestFaultA1AnUnansweredRetryIsCounted(t *testing.T) {
	w := newWorld(t)
	m := newMemory(t)
	s := w.pair(m)
	talk := func(key string) {
		t.Helper()
		if _, err := s.Send(context.Background(), message(key, key)); err != nil {
			t.Fatal(err)
		}
	}
	lose := func() {
		t.Helper()
		if err := w.emu.ForgetSessions(friend); err != nil {
			t.Fatal(err)
		}
	}
	shown := func(key string) {
		t.Helper()
		w.eventually(key+" to be shown", func() bool {
			inbox := w.inbox(friend)
			return len(inbox) > 0 && inbox[len(inbox)-1].Text == key
		})
	}
	talk("first")
	shown("first")
	answer, err := w.emu.SendMessage(friend, account, "an answer, so that what follows begins no session")
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("the answer", func() bool { m.mu.Lock(); defer m.mu.Unlock(); _, ok := m.incoming[answer]; return ok })
	lose()
	talk("asked for")
	shown("asked for")
	if asked, unanswered := w.counted("session_manager_retries_total"), w.counted("session_manager_retries_unanswered_total"); asked == 0 || unanswered != 0 {
		t.Errorf("%v asked, %v unanswered", asked, unanswered)
	}

	answer, err = w.emu.SendMessage(friend, account, "another answer")
	if err != nil {
		t.Fatal(err)
	}
	w.eventually("it", func() bool { m.mu.Lock(); defer m.mu.Unlock(); _, ok := m.incoming[answer]; return ok })
	if err := w.emu.SetFault(emulator.Fault{Kind: emulator.FaultAway, Number: friend}); err != nil {
		t.Fatal(err)
	}
	talk("not kept")
	s.Stop(ownership.ErrReleased) // with it goes what whatsmeow keeps in memory
	<-s.Done()
	if _, err := m.db.Exec("DELETE FROM whatsmeow_retry_buffer"); err != nil {
		t.Fatal(err)
	}
	lose()
	w.waitFor(w.start(m), Ready)
	w.emu.ClearFaults()
	w.eventually("it to be asked for in vain", func() bool { return w.counted("session_manager_retries_unanswered_total") > 0 })
}

// counted returns the value of a counter.
func (w *world) counted(name string) (n float64) {
	w.t.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}
