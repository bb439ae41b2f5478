package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"session-manager/node/ownership"
)

func TestThreeNodesOpenAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var all sync.WaitGroup
		for _, node := range []string{"n1", "n2", "n3"} {
			all.Go(func() {
				s, err := Open(deadline(t), Config{URL: url, Process: ownership.Process{Node: node}, Log: quiet})
				if err != nil {
					t.Errorf("%s: %v", node, err)
					return
				}
				_ = s.Close()
			})
		}
		all.Wait()
	})
}

func TestBirth(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		if b, err := s.Birth(ctx); err != nil || b != (Birth{}) {
			t.Fatalf("%+v, %v", b, err)
		}
		id := ownership.Identity{UUID: "u", Generation: 1}
		other := ownership.Identity{UUID: "v", Generation: 1}
		if err := errors.Join(s.PutBirth(ctx, id), s.PutBirth(ctx, other), s.SawRevision(ctx, 9), s.SawRevision(ctx, 7)); err != nil {
			t.Fatal(err)
		}
		if b, _ := s.Birth(ctx); b != (Birth{Identity: id, Revision: 9, Is: b.Is}) {
			t.Errorf("%+v", b)
		}
		if err := s.MarkBorn(ctx); err != nil {
			t.Fatal(err)
		}
		if b, _ := s.Birth(ctx); !b.Born {
			t.Error("not born")
		}
	})
}

func TestRaise(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		a, b, ctx := open(t, url, "n1"), open(t, url, "n2"), deadline(t)
		token := func(g, r int64) ownership.Token { return ownership.Token{Generation: g, Revision: r} }
		for _, step := range []struct {
			store *Store
			token ownership.Token
			err   error
		}{
			{a, token(1, 10), nil},
			{a, token(1, 10), nil},                 // asked again, as after a lost reply
			{b, token(1, 10), ownership.ErrFenced}, // the same token of another process cannot be
			{b, token(1, 9), ownership.ErrFenced},
			{b, token(1, 11), nil},
			{a, token(1, 10), ownership.ErrFenced},
			{a, token(2, 1), nil}, // a new generation's revisions start anew
			{b, token(1, 99), ownership.ErrFenced},
		} {
			if _, _, err := step.store.Raise(ctx, 5, step.token, nil); !errors.Is(err, step.err) {
				t.Errorf("%s raises to %s: %v, want %v", step.store.process.Node, step.token, err, step.err)
			}
		}
		if ok, err := a.Settle(ctx, 5, token(2, 1), false, time.Hour); !ok || err != nil {
			t.Errorf("settle: %v, %v", ok, err)
		}
		if _, _, err := b.Raise(ctx, 5, token(2, 2), nil); err != nil { // and never ran
			t.Error(err)
		}
		former, _, err := a.Raise(ctx, 5, token(2, 3), nil)
		if want := (Fence{Token: token(2, 1), Process: a.process}); err != nil || former != want {
			t.Errorf("the former fence is %+v (%v), want %+v", former, err, want)
		}
		if known, err := a.Known(ctx, 5); err != nil || !known {
			t.Errorf("known: %v, %v", known, err)
		}
		if known, _ := a.Known(ctx, 6); known {
			t.Error("6 never existed")
		}
	})
}

// A raise settles what is known to have ended, and nothing else.
func TestRaiseSettles(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		a, b, ctx := open(t, url, "n1"), open(t, url, "n2"), deadline(t)
		for _, step := range []struct {
			store    *Store
			revision int64
			ended    []string
			former   Fence
			settled  bool
		}{
			{a, 10, []string{"x"}, Fence{}, false}, // that there was nobody must be among the ended too
			{a, 11, []string{"x", ""}, Fence{}, true},
			{a, 11, nil, Fence{}, true}, // asked again
			{b, 12, []string{"", b.process.Incarnation}, Fence{ownership.Token{Generation: 1, Revision: 11}, a.process}, false},
			{b, 13, []string{"", b.process.Incarnation}, Fence{ownership.Token{Generation: 1, Revision: 11}, a.process}, false}, // b's 12 never ran
			{b, 14, []string{a.process.Incarnation}, Fence{ownership.Token{Generation: 1, Revision: 11}, a.process}, true},
			{a, 15, nil, Fence{ownership.Token{Generation: 1, Revision: 14}, b.process}, false},
		} {
			former, settled, err := step.store.Raise(ctx, 5, ownership.Token{Generation: 1, Revision: step.revision}, step.ended)
			if err != nil || former != step.former || settled != step.settled {
				t.Errorf("raise to %d: former %+v, settled %v, %v", step.revision, former, settled, err)
			}
		}
	})
}

// Writers and raisers at once: after each raise nothing older is committed.
func TestRaiseAgainstWriters(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old, next := open(t, url, "n1"), open(t, url, "n2")
		for round := range int64(10) {
			c := ownership.Cliente(100 + round)
			_, device, hold := paired(t, old, c, 10, "54911"+c.String())
			late, stop := stores(device), make(chan struct{})
			var writers sync.WaitGroup
			for range 4 {
				writers.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
						}
						if err := late.PutSession(context.Background(), "them:1", []byte("old")); err != nil {
							return
						}
					}
				})
			}
			if _, _, err := next.Raise(deadline(t), c, ownership.Token{Generation: 1, Revision: 20}, nil); err != nil {
				t.Fatal(err)
			}
			b, _ := own2(next, c, 20)
			device, err := b.Device(deadline(t))
			if err != nil {
				t.Fatal(err)
			}
			if err := device.Sessions.PutSession(deadline(t), "them:1", []byte("new")); err != nil {
				t.Fatal(err)
			}
			writers.Wait() // each ends at its first fenced write
			close(stop)
			if got, err := device.Sessions.GetSession(deadline(t), "them:1"); err != nil || string(got) != "new" {
				t.Fatalf("round %d: the stored ratchet is %q (%v)", round, got, err)
			}
			if !errors.Is(context.Cause(hold.Context()), ownership.ErrFenced) {
				t.Error("the old owner does not know")
			}
		}
	})
}

func TestPairedDeviceComesBack(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		if w, err := s.Wanted(ctx); err != nil || !slices.Equal(w, []ownership.Cliente{5}) {
			t.Errorf("wanted: %v, %v", w, err)
		}
		_, again, _ := paired(t, open(t, url, "n2"), 5, 11, "")
		if again.ID == nil || *again.ID != *device.ID || again.NoiseKey.Priv == nil || *again.NoiseKey.Priv != *device.NoiseKey.Priv {
			t.Error("another device came back")
		}
		if err := again.Delete(ctx); err != nil {
			t.Fatal(err)
		}
		if w, _ := s.Wanted(ctx); len(w) != 0 {
			t.Errorf("wanted after logout: %v", w)
		}
		a, _ := own(t, s, 5, 12)
		if fresh, err := a.Device(ctx); err != nil || fresh.ID != nil {
			t.Errorf("after logout: %v, %v", fresh.ID, err)
		}
	})
}

func TestCorruptDevice(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		paired(t, s, 5, 10, "5491100000001")
		paired(t, s, 6, 11, "5491100000002")
		if _, err := s.db.Exec(ctx, "UPDATE clientes SET jid = 'not a jid@@' WHERE cliente = 5"); err != nil {
			t.Fatal(err)
		}
		a, _ := own(t, s, 5, 12)
		if _, err := a.Device(ctx); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a broken name: %v", err)
		}
		b, _ := own(t, s, 6, 13)
		if _, err := b.Device(ctx); err != nil {
			t.Errorf("its neighbour: %v", err)
		}
	})
}

func TestSends(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		first := Send{Key: "k", MessageID: "M1", BodyHash: [32]byte{1}}
		if got, err := reserve(ctx, a, stores(device), first); err != nil || got != first {
			t.Fatalf("%+v, %v", got, err)
		}
		if got, err := reserve(ctx, a, stores(device), Send{Key: "k", MessageID: "M2", BodyHash: [32]byte{2}}); err != nil || got != first {
			t.Errorf("the same key again: %+v, %v", got, err)
		}
		// The refused one has stored nothing, and what it stepped is not remembered.
		if got := column(t, s, "SELECT message_id FROM whatsmeow_retry_buffer"); len(got) != 1 || got[0] != "M1" {
			t.Errorf("kept for retry receipts: %q", got)
		}
		if ratchet, err := device.Sessions.GetSession(ctx, "them:1"); err != nil || string(ratchet) != "of M1" {
			t.Errorf("ratchet %q, %v", ratchet, err)
		}
		at := time.Now().UTC().Truncate(time.Microsecond)
		done := first
		done.Done, done.Timestamp = true, at
		a.Finish("k", at)
		if got, ok, err := a.Standing(ctx, "k"); err != nil || !ok || got != done {
			t.Errorf("at once: %+v, %v", got, err)
		}
		a.Quiesce() // it is written now
		other, device, _ := paired(t, open(t, url, "n2"), 5, 11, "5491100000001")
		if got, err := reserve(ctx, other, stores(device), first); err != nil || got != done {
			t.Errorf("at the next owner: %+v, %v; want %+v", got, err, done)
		}
	})
}

func TestIncomingIsStoredOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, _ := own(t, s, 5, 10)
		in := Incoming{MessageID: "M", Chat: "c", Sender: "s", Timestamp: time.Now(), Kind: "text", Payload: []byte{0, 1, 255}}
		for range 2 {
			if err := a.PutIncoming(ctx, in); err != nil {
				t.Fatal(err)
			}
		}
		if n := column(t, s, "SELECT count(*) FROM events"); n[0] != "1" {
			t.Errorf("%s rows", n[0])
		}
	})
}

func TestPrekeysAreNumberedOn(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		_, device, _ := paired(t, s, 5, 10, "5491100000001")
		list, err := device.PreKeys.GetOrGenPreKeys(ctx, 812)
		if err != nil || len(list) != 812 || list[0].KeyID != 1 || list[811].KeyID != 812 {
			t.Fatalf("%d keys, %v", len(list), err)
		}
		again, err := device.PreKeys.GetOrGenPreKeys(ctx, 812)
		if err != nil || len(again) != 812 {
			t.Fatalf("%d keys again, %v", len(again), err)
		}
		for i := range list {
			if again[i].KeyID != list[i].KeyID || *again[i].Priv != *list[i].Priv || *again[i].Pub != *list[i].Pub {
				t.Fatalf("key %d changed where it was stored", list[i].KeyID)
			}
		}
		if err := device.PreKeys.MarkPreKeysAsUploaded(ctx, 812); err != nil {
			t.Fatal(err)
		}
		if one, err := device.PreKeys.GenOnePreKey(ctx); err != nil || one.KeyID != 813 {
			t.Errorf("%+v, %v", one, err)
		}
	})
}

func TestUnavailable(t *testing.T) {
	ctx := deadline(t)
	for _, url := range []string{"postgres://u:secret@127.0.0.1:1/db", "postgres://u@127.0.0.1:1/db?password=secret", "sqlite:/dev/null/store.db"} {
		_, err := Open(ctx, Config{URL: url, Log: quiet})
		if err == nil {
			t.Fatalf("%s opened", url)
		}
		if text := err.Error(); strings.Contains(text, "secret") {
			t.Error(text)
		}
	}
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	a, device, hold := paired(t, s, 5, 10, "5491100000001")
	if _, err := s.db.Exec(ctx, "PRAGMA query_only = ON"); err != nil {
		t.Fatal(err)
	}
	if _, err := reserve(ctx, a, stores(device), Send{Key: "k"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a read-only store: %v", err)
	}
	if err := hold.Check(time.Now()); err != nil {
		t.Errorf("a store that cannot be written ended the ownership: %v", err)
	}
}
