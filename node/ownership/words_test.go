package ownership

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestParseCliente(t *testing.T) {
	for _, good := range []struct {
		in   string
		want Cliente
	}{{"1", 1}, {"51", 51}, {"0051", 51}, {"9007199254740991", MaxCliente}} {
		got, err := ParseCliente(good.in)
		if err != nil || got != good.want {
			t.Errorf("ParseCliente(%q) = %d, %v; want %d", good.in, got, err, good.want)
		}
	}
	for _, bad := range []string{"", "0", "-1", "+5", " 51", "51 ", "51abc", "1e3", "1.0", "0x10", "٣",
		"9007199254740992", "99999999999999999999"} {
		if got, err := ParseCliente(bad); !errors.Is(err, ErrInvalidCliente) {
			t.Errorf("ParseCliente(%q) = %d, %v; want ErrInvalidCliente", bad, got, err)
		}
	}
	if s := Cliente(51).String(); s != "51" {
		t.Errorf("String() = %q", s)
	}
}

func TestTokenOrder(t *testing.T) {
	ordered := []Token{{}, {1, 5}, {1, 6}, {2, 1}, {2, 7}}
	for i, a := range ordered {
		for j, b := range ordered {
			if a.Less(b) != (i < j) {
				t.Errorf("%v.Less(%v) = %v", a, b, a.Less(b))
			}
		}
	}
	if s := (Token{2, 7}).String(); s != "2.7" {
		t.Errorf("String() = %q", s)
	}
}

var start = time.Date(2026, 1, 4, 12, 0, 0, 0, time.UTC)

func at(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }

func TestLeaseCountsFromTheSending(t *testing.T) {
	l := NewLease(7, at(0), 5*time.Second, 1500*time.Millisecond)
	if l.ID() != 7 || !l.Deadline().Equal(at(3500)) {
		t.Fatalf("id %d, deadline %v", l.ID(), l.Deadline())
	}
	if l.Passed(at(3499)) {
		t.Error("passed before its deadline")
	}
	if !l.Renewed(at(1000), at(3400), 5*time.Second) {
		t.Error("a renewal in time was refused")
	}
	if !l.Deadline().Equal(at(4500)) {
		t.Errorf("deadline %v counts from something else than the sending", l.Deadline())
	}
	// An answer to an earlier renewal that comes late must not set the clock back.
	if !l.Renewed(at(500), at(3500), 5*time.Second) || !l.Deadline().Equal(at(4500)) {
		t.Errorf("deadline went back to %v", l.Deadline())
	}
	if !l.Passed(at(4500)) {
		t.Error("not passed at its deadline")
	}
	if l.Renewed(at(4400), at(4600), 5*time.Second) || !l.Passed(at(4000)) {
		t.Error("a passed lease was revived")
	}
}

// Rule 5: the store's word counts from the sending of the poll, and bridges the time in which
// etcd does not answer, or has ended the lease.
func TestLeaseRidesOnTheStoresWord(t *testing.T) {
	const vouch = 2500 * time.Millisecond
	fresh := func() *Lease { return NewLease(7, at(0), 5*time.Second, 1500*time.Millisecond) }

	l := fresh()
	if l.Riding(at(3000)) || !l.Vouched(at(3000), at(3100), vouch) || l.Riding(at(3200)) {
		t.Error("rides while etcd vouches")
	}
	if !l.Deadline().Equal(at(5500)) || !l.RenewBy().Equal(at(3500)) {
		t.Errorf("deadline %v, at etcd %v", l.Deadline(), l.RenewBy())
	}
	if !l.Riding(at(3500)) || l.Passed(at(5499)) {
		t.Error("does not ride past etcd's deadline")
	}
	if !l.Renewed(at(5000), at(5400), 5*time.Second) || l.Riding(at(5600)) {
		t.Error("a renewal does not end the ride")
	}
	if !l.Passed(at(8500)) || l.Vouched(at(8400), at(8600), vouch) || !l.Passed(at(8600)) {
		t.Error("a late poll revived a passed lease")
	}

	l = fresh() // etcd says that it is gone
	if !l.Vouched(at(1000), at(1100), vouch) {
		t.Fatal("refused")
	}
	l.Lapse()
	if !l.Lapsed() || !l.Riding(at(1200)) || !l.Deadline().Equal(at(3500)) {
		t.Errorf("after the lapse: deadline %v", l.Deadline())
	}
	l.Renewed(at(1100), at(1200), 5*time.Second) // an answer that was under way
	if !l.Passed(at(3500)) {
		t.Error("a renewal revived a lease that etcd has ended")
	}

	l = fresh()
	l.Lapse()
	if !l.Passed(at(1)) || l.Riding(at(1)) {
		t.Error("a lease that etcd has ended counts without the store's word")
	}
	if l = fresh(); !l.Vouched(at(0), at(1), 10*time.Second) || l.Vouched(at(-1000), at(2), vouch) && !l.Deadline().Equal(at(10000)) {
		t.Error("an earlier poll set the deadline back")
	}
}

func TestHoldSwap(t *testing.T) {
	old := NewLease(1, at(0), 5*time.Second, 1500*time.Millisecond)
	h := NewHold(context.Background(), 51, Token{1, 9}, old)
	lost := errors.New("lost")
	next := NewLease(2, at(3000), 5*time.Second, 1500*time.Millisecond)
	if err := h.Swap(Token{1, 12}, next, func(Token) error { return lost }); !errors.Is(err, lost) || h.Token() != (Token{1, 9}) {
		t.Errorf("%v, token %v", err, h.Token())
	}

	token, release := h.Steady()
	swapped := make(chan error)
	go func() {
		swapped <- h.Swap(Token{1, 12}, next, func(from Token) error {
			if from != token {
				t.Errorf("swaps from %v", from)
			}
			return nil
		})
	}()
	select {
	case <-swapped:
		t.Error("swapped while a write was under way")
	case <-time.After(10 * time.Millisecond):
	}
	release()
	if err := <-swapped; err != nil {
		t.Fatal(err)
	}
	if token, release := h.Steady(); token != (Token{1, 12}) {
		t.Errorf("token %v", token)
	} else {
		release()
	}
	if err := h.Check(at(4000)); err != nil { // the old lease passed at 3.5 s
		t.Errorf("hangs on the old lease: %v", err)
	}
}

func TestLeaseEnd(t *testing.T) {
	l := NewLease(7, at(0), 5*time.Second, time.Second)
	l.End()
	if !l.Passed(at(1)) {
		t.Error("an ended lease still counts")
	}
}

func TestLeasePassesOnTheWallClockToo(t *testing.T) {
	now := time.Now() // has both readings
	l := NewLease(1, now, 5*time.Second, time.Second)
	suspended := now.Round(0).Add(time.Hour) // the machine slept: only the wall clock went on
	if !l.Passed(suspended) {
		t.Error("an hour on the wall clock did not end the lease")
	}
}

func TestHold(t *testing.T) {
	lease := NewLease(1, at(0), 5*time.Second, 1500*time.Millisecond)
	hold := func(parent context.Context) *Hold { return NewHold(parent, 51, Token{1, 9}, lease) }

	h := hold(context.Background())
	if h.Cliente() != 51 || h.Token() != (Token{1, 9}) || h.Check(at(100)) != nil || h.Context().Err() != nil {
		t.Fatal("a new hold does not hold")
	}
	h.End(ErrFenced)
	h.End(ErrReleased)
	if !errors.Is(h.Check(at(100)), ErrFenced) || !errors.Is(context.Cause(h.Context()), ErrFenced) {
		t.Errorf("the first cause does not stand: %v", h.Check(at(100)))
	}

	parent, cancel := context.WithCancelCause(context.Background())
	h = hold(parent)
	cancel(ErrDraining)
	if !errors.Is(h.Check(at(100)), ErrDraining) {
		t.Errorf("the end of the parent: %v", h.Check(at(100)))
	}

	h = hold(context.Background())
	if !errors.Is(h.Check(at(3500)), ErrLeaseLost) || h.Context().Err() == nil {
		t.Error("the deadline did not end the hold and its context")
	}
}

func TestTimingValidate(t *testing.T) {
	if err := DefaultTiming().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string]func(*Timing){
		"no renewals":                func(t *Timing) { t.Renew = 0 },
		"TTL below etcd's":           func(t *Timing) { t.TTL = time.Second },
		"TTL not in seconds":         func(t *Timing) { t.TTL += time.Millisecond },
		"renewals overlap":           func(t *Timing) { t.RenewTimeout = t.Renew },
		"one lost renewal is enough": func(t *Timing) { t.TTL = 3 * time.Second },
		"polled all the time":        func(t *Timing) { t.NoteLead = 2500 * time.Millisecond },
		"no time for a note":         func(t *Timing) { t.NoteLead = t.RenewTimeout },
		"polls outlive their word":   func(t *Timing) { t.PollTimeout = t.Vouch },
		"polls do not overlap":       func(t *Timing) { t.Poll = t.PollTimeout },
		"successor too early":        func(t *Timing) { t.HoldBack = t.Vouch },
		"grace without end":          func(t *Timing) { t.GraceMax = t.Grace / 2 },
		"exit before stop":           func(t *Timing) { t.Exit = t.Stop },
		"sessions outlive the lease": func(t *Timing) { t.Margin = t.Exit },
	} {
		timing := DefaultTiming()
		broken(&timing)
		if timing.Validate() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestFlaps(t *testing.T) {
	f := NewFlaps(DefaultTiming())
	minute := func(m int) time.Time { return start.Add(time.Duration(m) * time.Minute) }
	f.Lost(minute(0))
	f.Lost(minute(1))
	if !f.MayTake(minute(1)) {
		t.Error("two losses are forgiven")
	}
	f.Lost(minute(2))
	if f.MayTake(minute(2)) || !f.MayTake(minute(3)) || !f.Until().Equal(minute(3)) {
		t.Errorf("third loss: a pause of a minute, got until %v", f.Until())
	}
	f.Lost(minute(4))
	if f.MayTake(minute(5)) || !f.MayTake(minute(6)) {
		t.Errorf("fourth loss: a pause of two minutes, got until %v", f.Until())
	}
	f.Forgive()
	if !f.MayTake(minute(4)) {
		t.Errorf("forgiven, and yet a pause until %v", f.Until())
	}
	f.Lost(minute(5))
	if f.MayTake(minute(8)) || !f.MayTake(minute(9)) {
		t.Errorf("fifth loss: a pause of four minutes, got until %v", f.Until())
	}
	f.Lost(minute(30))
	if !f.MayTake(minute(30)) {
		t.Error("losses older than the window count")
	}
}

func TestSettle(t *testing.T) {
	a, b := Identity{"a", 1}, Identity{"b", 1}
	for name, c := range map[string]struct {
		found Found
		next  Birth
		err   error
	}{
		"both empty":                 {Found{}, BirthWriteStore, nil},
		"store written":              {Found{Store: a}, BirthWriteEtcd, nil},
		"etcd written":               {Found{Store: a, Etcd: a, EtcdRevision: 2}, BirthMark, nil},
		"born":                       {Found{Store: a, Born: true, Etcd: a, EtcdRevision: 9, StoreRevision: 9}, BirthDone, nil},
		"another store":              {Found{Etcd: a}, 0, ErrOtherStore},
		"another etcd":               {Found{Store: a, Etcd: b}, 0, ErrOtherStore},
		"another generation":         {Found{Store: a, Born: true, Etcd: Identity{"a", 2}}, 0, ErrOldStore},
		"etcd of an older one":       {Found{Store: Identity{"a", 2}, Born: true, Etcd: a}, 0, ErrRestored},
		"new generation, etcd old":   {Found{Store: Identity{"a", 2}, Etcd: a, EtcdRevision: 8}, BirthRenewEtcd, nil},
		"new generation, etcd wiped": {Found{Store: Identity{"a", 2}}, BirthWriteEtcd, nil},
		"new generation of another":  {Found{Store: Identity{"a", 2}, Etcd: b}, 0, ErrOtherStore},
		"older generation":           {Found{Store: a, Etcd: Identity{"a", 2}}, 0, ErrOldStore},
		"etcd wiped":                 {Found{Store: a, Born: true}, 0, ErrWiped},
		"etcd restored":              {Found{Store: a, Born: true, Etcd: a, EtcdRevision: 8, StoreRevision: 9}, 0, ErrRestored},
		"database not known yet":     {Found{Store: a, Born: true, Etcd: a, Is: Lineage{"d", 1}}, BirthLineage, nil},
		"database as ever":           {Found{Store: a, Born: true, Etcd: a, Was: Lineage{"d", 1}, Is: Lineage{"d", 1}}, BirthDone, nil},
		"database failed over":       {Found{Store: a, Born: true, Etcd: a, Was: Lineage{"d", 1}, Is: Lineage{"d", 2}}, BirthLineage, nil},
		"another database":           {Found{Store: a, Born: true, Etcd: a, Was: Lineage{"d", 1}, Is: Lineage{"e", 1}}, 0, ErrOtherDatabase},
		"failed over, etcd wiped":    {Found{Store: a, Born: true, Was: Lineage{"d", 1}, Is: Lineage{"d", 2}}, 0, ErrWiped},
		"restored before marked":     {Found{Store: a, Etcd: a, EtcdRevision: 8, StoreRevision: 9}, 0, ErrRestored},
	} {
		next, err := c.found.Settle()
		if next != c.next || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v; want %d, %v", name, next, err, c.next, c.err)
		}
	}
}
