package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"session-manager/bench/cluster"
	"session-manager/bench/emulator"
	"session-manager/node/ownership"
)

// An owner is paused past its lease and goes on when others own its clientes. Meanwhile its
// sockets have got messages that it has not read: it decrypts them when it wakes up, and must
// neither store the ratchet's step nor acknowledge them (invariant B). Its sockets overlap
// with the successors', which a pause cannot prevent; each is kicked (invariant C).
func TestStaleOwnerChangesNothing(t *testing.T) {
	for _, store := range []string{cluster.Postgres, cluster.SQLite} {
		t.Run(store, func(t *testing.T) {
			w := begin(t, 6, cluster.Options{Nodes: 3, Store: store})
			victim := w.owner(w.clientes[0])
			its := w.ownedBy(victim)
			for _, c := range its { // so that what follows is on a session that stands
				w.send(w.Client(), c, "before")
				w.took(c, w.write(c, "before"), soon)
			}
			logins := w.logins(its)

			w.must(victim.Pause())
			ids := make(map[ownership.Cliente]string)
			for _, c := range its {
				ids[c] = w.write(c, "into the paused socket")
			}
			w.back(its, victim, moveLimit+5*time.Second)
			for _, c := range its {
				w.took(c, ids[c], soon)
				w.send(w.Client(victim), c, "by the successor")
			}
			stored := w.settled()
			mark := w.lastEvent()

			w.must(victim.Resume())
			w.must(victim.Client().WaitMember(within(t, soon), victim.Name(), true))
			w.staleEnded(its, logins)
			if now := w.settled(); now != stored {
				t.Errorf("the stale owner changed what is stored: %s", firstDifference(stored, now))
			}
			w.silentSince(mark, its, logins)

			for _, c := range its {
				if o := w.owner(c); o == victim {
					t.Errorf("cliente %s went back to %s by itself", c, victim.Name())
				}
				w.send(victim.Client(), c, "after")
				w.arrivedOnce(c, "before", "by the successor", "after")
				w.took(c, w.write(c, "after"), soon)
			}
			w.clean(int64(len(its)))
		})
	}
}

// The same with sends under way in the node that is paused and after it goes on: whatever it
// believes for a moment, it writes nothing of an account, and each key's message arrives once.
func TestStaleOwnerWithSendsUnderWay(t *testing.T) {
	w := begin(t, 3, cluster.Options{Nodes: 3, Store: cluster.Postgres})
	c := w.clientes[0]
	victim := w.owner(c)
	its := w.ownedBy(victim)
	audit := newAudit(within(t, soon), t, w.Store.URL())
	begun := audit.now(within(t, soon), t)
	ctx, stop := context.WithCancel(within(t, 60*time.Second))
	defer stop()
	var (
		texts []string
		errs  []error
		mu    sync.Mutex // guards texts and errs
		wg    sync.WaitGroup
	)
	for caller := range 9 {
		n := w.Nodes()[caller%3]
		wg.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				text := fmt.Sprintf("%d of caller %d", k, caller)
				err := insist(n.Client(), c, text)
				mu.Lock()
				texts, errs = append(texts, text), append(errs, err)
				mu.Unlock()
			}
		})
	}
	arrived := func(n int) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(texts) >= n
		}
	}
	await(t, "sends before the pause", arrived(10))
	w.must(victim.Pause())
	w.back(its, victim, moveLimit+5*time.Second)
	succeeded := audit.now(within(t, soon), t)
	if audit.of(within(t, soon), t, victim.Name(), begun) == "" {
		t.Error("the audit has nothing of what the owner wrote before the pause: it is blind")
	}
	mu.Lock()
	n := len(texts)
	mu.Unlock()
	await(t, "sends by the successor", arrived(n+10))
	w.must(victim.Resume())
	w.must(victim.Client().WaitMember(within(t, soon), victim.Name(), true))
	mu.Lock()
	n = len(texts)
	mu.Unlock()
	await(t, "sends after the pause", arrived(n+10))
	stop()
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("%s: %v", texts[i], err)
		}
	}
	if wrote := audit.of(within(t, soon), t, victim.Name(), succeeded); wrote != "" {
		t.Errorf("the stale owner wrote when others owned its clientes: %s", wrote)
	}
	w.arrivedOnce(c, texts...)
	t.Logf("%d sends", len(texts))
	w.clean(int64(len(its)))
}

// insist sends until acknowledged, whether or not the test wants more by then: what was begun
// must arrive. Its caller is an impatient one, who leaves a request behind after two seconds
// and repeats it: the paused node finds the old ones in its sockets when it goes on.
func insist(client *cluster.Client, c ownership.Cliente, text string) (err error) {
	for range 15 {
		ctx, cancel := context.WithTimeoutCause(context.Background(), 2*time.Second, errors.New("waited 2s"))
		_, _, err = client.SendUntil(ctx, c, message(c, text))
		cancel()
		if err == nil {
			return nil
		}
	}
	return err
}

// logins are the numbers of the devices' latest logins, by phone number.
func (w *world) logins(clientes []ownership.Cliente) map[string]int {
	w.t.Helper()
	devices, err := w.Emulator.Devices(within(w.t, soon))
	w.must(err)
	logins := make(map[string]int)
	for _, c := range clientes {
		for _, d := range devices {
			if len(d.Device) > len(cluster.NumberOf(c)) && d.Device[:len(cluster.NumberOf(c))] == cluster.NumberOf(c) {
				logins[cluster.NumberOf(c)] = d.Logins
			}
		}
	}
	if len(logins) != len(clientes) {
		w.t.Fatalf("devices of %v among %+v: %v", clientes, devices, logins)
	}
	return logins
}

func (w *world) lastEvent() int64 {
	w.t.Helper()
	stats, err := w.Emulator.Stats(within(w.t, soon))
	w.must(err)
	return stats.LastEvent
}

// settled waits until what is stored has not changed for a second, and returns it.
func (w *world) settled() string {
	w.t.Helper()
	ctx := within(w.t, 15*time.Second)
	last, since := "", time.Now()
	w.must(cluster.Await(ctx, "store at rest", func(ctx context.Context) (bool, string, error) {
		now := dump(ctx, w.t, w.Store.URL())
		if now != last {
			if last != "" {
				w.t.Logf("the store has not come to rest: %s", firstDifference(last, now))
			}
			last, since = now, time.Now()
		}
		return time.Since(since) > time.Second, "rows still change", nil
	}))
	return last
}

// staleEnded waits until the emulator has seen the end of the sockets under the old logins.
func (w *world) staleEnded(clientes []ownership.Cliente, logins map[string]int) {
	w.t.Helper()
	for _, c := range clientes {
		number := cluster.NumberOf(c)
		w.must(cluster.Await(within(w.t, soon), "end of the old socket of "+number, func(ctx context.Context) (bool, string, error) {
			events, err := w.Emulator.Events(ctx, 0)
			for _, e := range events {
				if e.Kind == emulator.KindLogout && e.Number == number && e.Login == logins[number] {
					return true, "", err
				}
			}
			return false, "open", err
		}))
	}
}

// silentSince checks that nothing was said under the old logins after an event. whatsmeow may
// close its socket, no more.
func (w *world) silentSince(mark int64, clientes []ownership.Cliente, logins map[string]int) {
	w.t.Helper()
	events, err := w.Emulator.Events(within(w.t, soon), mark)
	w.must(err)
	for _, e := range events {
		if e.Login != 0 && e.Login <= logins[e.Number] && e.Kind != emulator.KindLogout {
			w.t.Errorf("the stale owner spoke: %+v", e)
		}
	}
}
