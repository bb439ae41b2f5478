package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"session-manager/node/etcd"
	"session-manager/node/ownership"
	"session-manager/node/store"
	"session-manager/router"
)

// noSpace is what etcd says whose quota is used up.
func noSpace() error {
	return fmt.Errorf("%w: %w", ownership.ErrUnknownOutcome, &etcd.Refusal{Advice: "etcd's quota is used up: etcdctl alarm disarm"})
}

// hindrances are what keeps a node from taking a cliente, and what its callers are told.
var hindrances = map[string]struct {
	set  func(k *keeperTest, on bool)
	by   string
	code string
}{
	"the store is away": {func(k *keeperTest, on bool) {
		k.fences.fail(map[bool]error{true: fmt.Errorf("%w: read-only", store.ErrUnavailable)}[on])
	}, "store", "STORE_UNAVAILABLE"},
	"etcd's quota is used up": {func(k *keeperTest, on bool) { k.etcd.refusing(map[bool]error{true: noSpace()}[on]) }, "etcd", "ETCD_REFUSES"},
	"etcd refuses the user": {func(k *keeperTest, on bool) {
		k.etcd.refusing(map[bool]error{true: &etcd.Refusal{Advice: "etcd's user may not do this"}}[on])
	}, "etcd", "ETCD_REFUSES"},
}

// TestFaultF3B4: what cannot be taken is tried ever more rarely, by one for all where many could not; who asks
// meanwhile is told at once; the log has a line; and all is well as soon as one could be taken.
func TestFaultF3B4(t *testing.T) {
	for name, h := range hindrances {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var lines lockedText
			k := newKeeperTest(t)
			k.log = textLog(&lines)
			h.set(k, true)
			d := &directory{node: "n1", keeper: k.keeper}
			begun := time.Now()
			recovered := k.recovered.Wait()
			tries := func() int64 { k.etcd.mu.Lock(); defer k.etcd.mu.Unlock(); return k.etcd.creates }
			for time.Since(begun) < time.Second { // sweeps and callers, as fast as they can
				for c := ownership.Cliente(1); c <= 50; c++ {
					k.Restore(c)
				}
				_, _, err := d.Session(k.ctx, 51)
				var told *router.Hindrance
				if !errors.As(err, &told) || told.Code != h.code || told.RetryAfter <= 0 {
					t.Fatalf("%v", err)
				}
				time.Sleep(time.Millisecond)
			}
			// Each may have been tried once before it was known to be of no use; one tries on.
			if n := tries(); n > 60 {
				t.Errorf("etcd was asked %d times", n)
			}
			if n := strings.Count(lines.String(), "level="); n != 1 || !strings.Contains(lines.String(), "by="+h.by) {
				t.Errorf("log:\n%s", lines.String())
			}
			if err := k.Setback(); err == nil {
				t.Error("/readyz would say nothing")
			}
			h.set(k, false)
			k.eventually(t, func() bool { k.Restore(1); return k.Kept(1) && k.Setback() == nil })
			wait(t, "word that it works again", recovered)
			for c := ownership.Cliente(1); c <= 51; c++ {
				if _, _, err := d.Session(k.ctx, c); err != nil {
					t.Errorf("cliente %s: %v", c, err)
				}
			}
		})
	}
}

// TestFaultF3OneAlone: a cliente whose own fence cannot be raised keeps no other from being taken.
func TestFaultF3OneAlone(t *testing.T) {
	k := newKeeperTest(t)
	k.fences.fail(fmt.Errorf("%w: lock timeout", store.ErrUnavailable))
	if _, _, err := k.Session(k.ctx, 1); err == nil {
		t.Fatal("no error")
	}
	k.fences.fail(nil)
	if _, _, err := k.Session(k.ctx, 2); err != nil {
		t.Errorf("another: %v", err)
	}
	if _, _, err := k.Session(k.ctx, 1); err == nil {
		t.Error("it was tried again at once")
	}
	k.eventually(t, func() bool { _, _, err := k.Session(k.ctx, 1); return err == nil })
}
