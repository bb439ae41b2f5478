package store

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"session-manager/node/ownership"
)

func token(revision int64) ownership.Token { return ownership.Token{Generation: 1, Revision: revision} }

const fresh = time.Hour // a note that was made in this test

// taken is cliente 5 run by n1 under token 10 and then raised by n2 to token 20.
func taken(t *testing.T, url string, ride bool) (n1, n2 *Store, hold *ownership.Hold) {
	n1, n2 = open(t, url, "n1"), open(t, url, "n2")
	_, hold = own(t, n1, 5, 10)
	settle(t, n1, 5, 10, true)
	if ride {
		if _, err := n1.Poll(deadline(t)); err != nil {
			t.Fatal(err)
		}
	}
	former, _, err := n2.Raise(deadline(t), 5, token(20), nil)
	if want := (Fence{Token: token(10), Process: n1.process}); err != nil || former != want {
		t.Fatalf("the former fence is %+v (%v), want %+v", former, err, want)
	}
	return n1, n2, hold
}

func settle(t *testing.T, s *Store, c ownership.Cliente, revision int64, want bool) {
	t.Helper()
	if got, err := s.Settle(deadline(t), c, token(revision), false, fresh); got != want || err != nil {
		t.Errorf("settle %d of %s: %v, %v; want %v", revision, s.process.Node, got, err, want)
	}
}

// Rule 5: a poll is a note first and a look at the fences then.
func TestPollFindsARaisedFence(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		n1, n2, _ := taken(t, url, false)
		if err := n1.PutBirth(deadline(t), ownership.Identity{UUID: "u", Generation: 3}); err != nil {
			t.Fatal(err)
		}
		own(t, n1, 6, 11)
		st, err := n1.Poll(deadline(t))
		if want := map[ownership.Cliente]bool{6: true}; err != nil || st.Generation != 3 || !maps.Equal(st.Clientes, want) {
			t.Errorf("n1: %+v, %v", st, err)
		}
		if st, err := n2.Poll(deadline(t)); err != nil || !maps.Equal(st.Clientes, map[ownership.Cliente]bool{5: true}) {
			t.Errorf("n2: %+v, %v", st, err)
		}
		riders, err := n1.Riders(deadline(t), fresh)
		if want := map[string]bool{"of-n1": true, "of-n2": true}; err != nil || !maps.Equal(riders, want) {
			t.Errorf("riders: %v, %v", riders, err)
		}
		if err := n2.EndNote(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if riders, err := n1.Riders(deadline(t), fresh); err != nil || len(riders) != 1 {
			t.Errorf("riders: %v, %v", riders, err)
		}
	})
}

func TestHoldBackFromARider(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		n1, n2, hold := taken(t, url, true)
		settle(t, n2, 5, 20, false)
		if err := n1.Stopped(deadline(t), 5, token(9)); err != nil { // an older life's session
			t.Fatal(err)
		}
		settle(t, n2, 5, 20, false)
		if err := n1.Stopped(deadline(t), 5, hold.Token()); err != nil {
			t.Fatal(err)
		}
		settle(t, n2, 5, 20, true)

		// n2 rides in its turn, and what ends its note ends the waiting for it.
		if _, err := n2.Poll(deadline(t)); err != nil {
			t.Fatal(err)
		}
		n3 := open(t, url, "n3")
		if _, _, err := n3.Raise(deadline(t), 5, token(30), nil); err != nil {
			t.Fatal(err)
		}
		settle(t, n3, 5, 30, false)
		if ok, err := n3.Settle(deadline(t), 5, token(30), false, 0); !ok || err != nil {
			t.Errorf("a stale note: %v, %v", ok, err)
		}
		if _, err := n3.Poll(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := n2.Raise(deadline(t), 5, token(40), nil); err != nil {
			t.Fatal(err)
		}
		settle(t, n2, 5, 40, false)
		if err := n3.EndNote(deadline(t)); err != nil {
			t.Fatal(err)
		}
		settle(t, n2, 5, 40, true)
	})
}

func TestNobodyToHoldBackFrom(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		_, n2, _ := taken(t, url, false)
		settle(t, n2, 5, 20, true)
	})
}

// A successor that never got to run leaves its predecessor to be waited for by the next.
func TestFormerOutlivesASuccessorThatNeverRan(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		n1, n2, _ := taken(t, url, true)
		settle(t, n2, 5, 20, false)
		n3 := open(t, url, "n3")
		former, _, err := n3.Raise(deadline(t), 5, token(30), nil)
		if want := (Fence{Token: token(10), Process: n1.process}); err != nil || former != want {
			t.Fatalf("the former fence is %+v (%v), want %+v", former, err, want)
		}
		settle(t, n3, 5, 30, false)
		if _, err := n2.Settle(deadline(t), 5, token(20), true, fresh); !errors.Is(err, ownership.ErrFenced) {
			t.Errorf("n2 settles what is n3's: %v", err)
		}
		if stopped, err := n3.HasStopped(deadline(t), 5); stopped || err != nil {
			t.Errorf("stopped: %v, %v", stopped, err)
		}
		if err := n1.AllStopped(deadline(t), token(10)); err != nil {
			t.Fatal(err)
		}
		if stopped, err := n3.HasStopped(deadline(t), 5); !stopped || err != nil {
			t.Errorf("stopped: %v, %v", stopped, err)
		}
		settle(t, n3, 5, 30, true)
	})
}

// Back in touch: the token of a running session is swapped, and its writes carry the new one.
func TestSwapUnderWrites(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := open(t, url, "n1")
		_, device, hold := paired(t, s, 5, 10, "5491155")
		d := stores(device)
		stop, written := make(chan struct{}), make(chan error, 1)
		go func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					written <- nil
					return
				default:
				}
				if err := d.PutSession(context.Background(), "them:1", []byte{byte(n)}); err != nil {
					written <- err
					return
				}
			}
		}()
		lease := ownership.NewLease(2, time.Now(), time.Hour, time.Second)
		for revision := int64(11); revision < 31; revision++ {
			err := hold.Swap(token(revision), lease, func(old ownership.Token) error {
				return s.Swap(deadline(t), 5, old, token(revision))
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		close(stop)
		if err := <-written; err != nil {
			t.Errorf("a write was fenced by a swap of its own: %v", err)
		}
		if err := s.Swap(deadline(t), 5, token(29), token(30)); err != nil {
			t.Errorf("a swap that was made already: %v", err)
		}
		if err := s.Swap(deadline(t), 5, token(10), token(99)); !errors.Is(err, ownership.ErrFenced) {
			t.Errorf("a swap from a stale token: %v", err)
		}
		if err := open(t, url, "n2").Swap(deadline(t), 5, token(30), token(31)); !errors.Is(err, ownership.ErrFenced) {
			t.Errorf("a swap by another process: %v", err)
		}
	})
}
