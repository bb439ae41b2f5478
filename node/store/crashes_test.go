package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"session-manager/node/ownership"
)

// restOf is for how long a cliente rests, as its owner is told; 0: not at all.
func restOf(t *testing.T, a *Account) time.Duration {
	t.Helper()
	_, err := a.Device(deadline(t))
	var rest *RestError
	if errors.As(err, &rest) {
		return rest.Left
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// TestFaultB1Convictions: a conviction needs no fence, counts once a process, rests whoever owns the
// cliente then, and is doubled by a further crash, not by another node that died of the same.
func TestFaultB1Convictions(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		paired(t, s, 5, 10, "5491100000001")
		paired(t, s, 6, 11, "5491100000002")
		// The next owner has raised the fence before the dead one is judged.
		next := open(t, url, "n2")
		account, _ := own(t, next, 5, 20)
		judge, err := OpenCourt(Config{URL: url, Process: ownership.Process{Node: "n1"}})
		if err != nil {
			t.Fatal(err)
		}
		defer judge.Close()
		convict := func(incarnation string, ago, want time.Duration) {
			t.Helper()
			p := ownership.Process{Node: "n1", Incarnation: incarnation}
			rest, err := judge.Convict(ctx, Crash{Cliente: 5, Process: p, Ago: ago, Cause: "panic: \x00\xff " + strings.Repeat("é", 500)})
			if err != nil || rest > want || rest < want-want/10-time.Second {
				t.Errorf("%s: %v, %v; want %v", incarnation, rest, err, want)
			}
		}
		convict("a", 0, firstRest)
		convict("a", 0, 0) // the node's next life says it again
		convict("b", 0, firstRest)
		if rest := restOf(t, account); rest < firstRest-time.Minute || rest > firstRest {
			t.Errorf("owner is told to rest for %v", rest)
		}
		if other, _ := own(t, s, 6, 21); restOf(t, other) != 0 {
			t.Error("another cliente rests")
		}
		unpaired, _ := own(t, s, 7, 22)
		if _, err := judge.Convict(ctx, Crash{Cliente: 7, Process: ownership.Process{Node: "n1", Incarnation: "a"}}); err != nil || restOf(t, unpaired) == 0 {
			t.Errorf("one that crashed while it was paired does not rest: %v", err)
		}
		// Its owner ends the rest, and it crashes again.
		if err := account.EndRest(ctx); err != nil || restOf(t, account) != 0 {
			t.Errorf("the rest was not ended: %v", err)
		}
		convict("c", 0, 2*firstRest)
		for i := 2; i < 12; i++ {
			if err := account.EndRest(ctx); err != nil {
				t.Fatal(err)
			}
			convict(fmt.Sprint("c", i), 0, min(longestRest, firstRest<<i))
		}
		// A report that is judged late counts from the crash: that was before the last one, and says nothing new.
		convict("late", time.Hour, 0)
		// Long after, a crash is the first again.
		long := (restMemory + longestRest + time.Hour).Microseconds()
		if _, err := s.db.Exec(ctx, "UPDATE crashes SET crashed_at = crashed_at - $1, rests_until = rests_until - $1 WHERE cliente = 5", long); err != nil {
			t.Fatal(err)
		}
		convict("d", 0, firstRest)
		// Who is not the owner any more ends no rest.
		own(t, s, 5, 30)
		if err := account.EndRest(ctx); !errors.Is(err, ownership.ErrFenced) {
			t.Errorf("a stale owner ends a rest: %v", err)
		}
		if n, err := s.ForgetCrashes(ctx, time.Hour); n != 0 || err != nil {
			t.Errorf("%d forgotten, %v", n, err)
		}
		if _, err := s.db.Exec(ctx, "UPDATE crashes SET rests_until = rests_until - $1", 2*long); err != nil {
			t.Fatal(err)
		}
		if n, err := s.ForgetCrashes(ctx, time.Hour); n != 2 || err != nil {
			t.Errorf("%d forgotten, %v; want 2", n, err)
		}
	})
}

// TestFaultB1Together: what panics in a statement that SQLite's accounts share panics where it came from,
// whose goroutine knows the cliente, and fails nobody else's.
func TestFaultB1Together(t *testing.T) {
	s := open(t, "sqlite:"+t.TempDir()+"/store.db", "n1")
	a, _ := own(t, s, 5, 10)
	other, _ := own(t, s, 6, 11)
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "poison") || !strings.Contains(r, "crashes_test.go") {
			t.Errorf("recovered: %s", r)
		}
		if err := other.withOthers(deadline(t), func(ctx context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	}()
	_ = a.withOthers(deadline(t), func(ctx context.Context) error { panic("poison") })
}
