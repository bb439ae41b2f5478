package store

import (
	"slices"
	"testing"
	"time"

	"session-manager/node/keyless"
)

// The next owner finds which sends without a key are open, with the load of the device.
func TestFaultA3TheNextOwnerKnowsWhatIsOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		put := func(key string) {
			t.Helper()
			if _, err := reserve(ctx, a, stores(device), Send{Key: key, MessageID: "ID of " + key, BodyHash: [32]byte{7}}); err != nil {
				t.Fatal(err)
			}
		}
		unknown, answered, told, failed, old, before, beforeDone := keyless.NewKey(), keyless.NewKey(), keyless.NewKey(), keyless.NewKey(), keyless.NewKey(), keyless.NewKey(), keyless.NewKey()
		for _, key := range []string{unknown, answered, told, failed, old, before, beforeDone, "a caller's", "01J00000000000000000000000"} {
			put(key)
		}
		at := time.Now()
		a.Finish(answered, at)
		a.Finish(told, at)
		a.Told(told)
		a.Told(failed) // it was refused, and the caller knows
		a.Quiesce()
		for key, change := range map[string]string{old: "created_at = 1", before: "told = NULL", beforeDone: "told = NULL, done = true"} {
			if _, err := s.db.Exec(ctx, "UPDATE sends SET "+change+" WHERE key = $1", key); err != nil {
				t.Fatal(err)
			}
		}
		if sends := column(t, s, "SELECT count(*) FROM sends WHERE done AND sent_at > 0"); sends[0] != "2" {
			t.Errorf("%s are done", sends[0])
		}
		b, _ := own(t, open(t, url, "n2"), 5, 11)
		if _, err := b.Device(ctx); err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, send := range b.Open() {
			keys = append(keys, send.Key)
			if send.MessageID != "ID of "+send.Key || send.BodyHash != [32]byte{7} || time.Since(send.Begun) > time.Minute {
				t.Errorf("%+v", send)
			}
		}
		want := []string{unknown, answered, before}
		slices.Sort(keys)
		slices.Sort(want)
		if !slices.Equal(keys, want) {
			t.Errorf("open are %q, want %q", keys, want)
		}
	})
}

// What is booked while the same send is being written is not lost.
func TestBooksWhileWriting(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url, "n1"), deadline(t)
		a, device, _ := paired(t, s, 5, 10, "5491100000001")
		for i := range 30 {
			key := keyless.NewKey()
			if _, err := reserve(ctx, a, stores(device), Send{Key: key, MessageID: key}); err != nil {
				t.Fatal(err)
			}
			a.Finish(key, time.Now())
			time.Sleep(time.Duration(i) * time.Millisecond / 2) // the write begins after 10 ms
			a.Told(key)
		}
		a.Quiesce()
		if n := column(t, s, "SELECT count(*) FROM sends WHERE done AND told"); n[0] != "30" {
			t.Errorf("%s of 30", n[0])
		}
	})
}
