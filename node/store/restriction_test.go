package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"session-manager/node/ownership"
)

// A ban takes the place of the credentials, for every owner to come, until it is lifted.
func TestFaultA7RestrictionIsStored(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, _, _ := paired(t, s, 5, 10, "5491100000001")
		why := Restriction{Code: 406, Reason: "406: banned", Since: time.UnixMicro(1_700_000_000_000_000).UTC()}
		if err := a.Forget(ctx, why); err != nil {
			t.Fatal(err)
		}
		if n := column(t, s, "SELECT count(*) FROM whatsmeow_device"); n[0] != "0" {
			t.Error("the credentials are still there")
		}
		next, _ := own(t, open(t, url, "n2"), 5, 11)
		var stored *RestrictedError
		if _, err := next.Device(ctx); !errors.As(err, &stored) || stored.Restriction != why || stored.Phone != "+5491100000001" {
			t.Errorf("the next owner finds %v", err)
		}
		// It is wanted, so that it says what it is after a failover; and the release before, which knows
		// of a device that has no row, does not pair it.
		if all, err := s.Wanted(ctx); err != nil || len(all) != 1 {
			t.Errorf("wanted: %v, %v", all, err)
		}
		for range 2 {
			if err := next.Lift(ctx); err != nil {
				t.Fatal(err)
			}
			if device, err := next.Device(ctx); err != nil || device.ID != nil {
				t.Errorf("after it was lifted: %v", err)
			}
		}
	})
}

// A logout, and a new pairing, leave no restriction behind; a lift leaves a paired device alone.
func TestFaultA7RestrictionEnds(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		jid, account := *device.ID, device.Account
		if err := errors.Join(a.Lift(ctx), a.Forget(ctx, Restriction{Code: 403, Reason: "403"}), a.Forget(ctx, Restriction{})); err != nil {
			t.Fatal(err)
		}
		fresh, err := a.Device(ctx)
		if err != nil || fresh.ID != nil {
			t.Fatalf("after a logout: %v", err)
		}
		if err := a.Forget(ctx, Restriction{Code: 403, Reason: "403"}); err != nil { // at its registration
			t.Fatal(err)
		}
		fresh.ID, fresh.Account = &jid, account
		if err := errors.Join(fresh.Save(ctx), a.Forget(ctx, Restriction{})); err != nil {
			t.Fatal(err)
		}
		if device, err := a.Device(ctx); err != nil || device.ID != nil {
			t.Errorf("after another pairing and logout: %v", err)
		}
	})
}

// Neither passes the fence of a stale owner.
func TestFaultA7RestrictionIsFenced(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old, successor := open(t, url, "n1"), open(t, url, "n2")
		paired(t, old, 5, 10, "5491100000001")
		if _, _, err := successor.Raise(deadline(t), 5, ownership.Token{Generation: 1, Revision: 20}, nil); err != nil {
			t.Fatal(err)
		}
		before := dump(t, successor)
		for name, write := range map[string]func(a *Account) error{
			"ban":    func(a *Account) error { return a.Forget(context.Background(), Restriction{Code: 406, Reason: "406"}) },
			"logout": func(a *Account) error { return a.Forget(context.Background(), Restriction{}) },
			"lift":   func(a *Account) error { return a.Lift(context.Background()) },
		} {
			stale, _ := own2(old, 5, 10)
			if err := write(stale); !errors.Is(err, ownership.ErrFenced) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if after := dump(t, successor); after != before {
			t.Errorf("rows changed:\n%s\nwere:\n%s", after, before)
		}
	})
}

// A database that is full takes updates in place for long; what accounts write it refuses, and so it
// does not count as back.
func TestFaultB3FullIsNotBack(t *testing.T) {
	s, ctx := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1"), deadline(t)
	a, _, _ := paired(t, s, 5, 10, "5491100000001")
	if err := a.Answers(ctx); err != nil {
		t.Fatal(err)
	}
	// SQLite's own "disk full": no more pages than there are. What is free of them is used up first.
	if _, err := s.db.RawDB.Exec("VACUUM"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.RawDB.Exec("PRAGMA max_page_count = 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.RawDB.Exec("UPDATE clientes SET created_at = created_at"); err != nil {
		t.Fatalf("an update in place: %v", err)
	}
	s.probe.at = time.Time{} // the last outcome is old
	if err := a.Answers(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a full database counts as back: %v", err)
	}
	if _, err := s.db.RawDB.Exec("PRAGMA max_page_count = 1000000"); err != nil {
		t.Fatal(err)
	}
	s.probe.at = time.Time{}
	if err := a.Answers(ctx); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if n := column(t, s, "SELECT count(*) FROM probes"); n[0] != "0" {
		t.Error("the probe stays")
	}
}
