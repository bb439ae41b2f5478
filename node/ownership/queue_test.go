package ownership

import (
	"sort"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func drain(q *Queue, now time.Time) (out []Cliente) {
	for {
		c, ok, _ := q.Pop(now)
		if !ok {
			return out
		}
		out = append(out, c)
	}
}

func TestQueueOrder(t *testing.T) {
	q := NewQueue(0, at(0))
	q.Push(1, Restored, 30)
	q.Push(2, Restored, 10)
	q.Push(3, Requested, 90)
	q.Push(4, Restored, 20)
	q.Push(1, Requested, 0) // somebody asks for one that waits: it overtakes, keeping its jitter
	q.Push(3, Restored, 0)  // and is never put back
	q.Push(5, Restored, 5)
	q.Remove(5)
	q.Remove(99)
	if q.Len() != 4 {
		t.Fatalf("%d wait", q.Len())
	}
	want := []Cliente{1, 3, 2, 4}
	got := drain(q, at(0))
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("order %v, want %v", got, want)
		}
	}
}

func TestQueuePaces(t *testing.T) {
	q := NewQueue(10, at(0))
	for c := Cliente(1); c <= 30; c++ {
		q.Push(c, Restored, uint64(c))
	}
	if n := len(drain(q, at(0))); n != 10 {
		t.Fatalf("%d at once, want a second's worth", n)
	}
	if _, ok, wait := q.Pop(at(30)); ok || wait != 70*time.Millisecond {
		t.Fatalf("ok %v, wait %v; want the rest of the interval", ok, wait)
	}
	if n := len(drain(q, at(350))); n != 3 {
		t.Fatalf("%d after 350 ms, want 3", n)
	}
	if n := len(drain(q, at(60_000))); n != 10 {
		t.Fatalf("%d after a minute, want the burst and no more", n)
	}
	drain(q, at(120_000))
	if _, ok, wait := q.Pop(at(120_000)); ok || wait != 0 {
		t.Fatal("an empty queue gave something")
	}
}

// Whatever was pushed and not removed comes out once, best priority first.
func TestQueueLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := NewQueue(0, at(0))
		best := map[Cliente]Priority{}
		for _, step := range rapid.SliceOf(rapid.IntRange(0, 199)).Draw(t, "steps") {
			c, p := Cliente(step%20+1), Priority(step/20%2)
			if step >= 160 {
				q.Remove(c)
				delete(best, c)
				continue
			}
			if old, ok := best[c]; !ok || p < old {
				best[c] = p
			}
			q.Push(c, p, uint64(step))
		}
		got := drain(q, at(0))
		if len(got) != len(best) {
			t.Fatalf("%d came out of %d", len(got), len(best))
		}
		if !sort.SliceIsSorted(got, func(i, j int) bool { return best[got[i]] < best[got[j]] }) {
			t.Fatalf("order %v with priorities %v", got, best)
		}
	})
}
