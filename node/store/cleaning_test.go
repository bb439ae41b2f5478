package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"session-manager/node/ownership"
)

func TestOldSendsAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx, now := open(t, url, "n1"), deadline(t), time.Now()
		for key, row := range map[string]struct{ created, acknowledged time.Duration }{ // ago; 0: never
			"new and unknown":          {time.Minute, 0},
			"new and done":             {time.Minute, time.Minute},
			"old, done a moment ago":   {48 * time.Hour, time.Minute}, // its caller asked again
			"old and unknown, in time": {23 * time.Hour, 0},
			"old and unknown":          {25 * time.Hour, 0},
			"old and done":             {25 * time.Hour, 25 * time.Hour},
			"older":                    {72 * time.Hour, 71 * time.Hour},
		} {
			done, at := row.acknowledged > 0, int64(0)
			if done {
				at = micros(now.Add(-row.acknowledged))
			}
			if _, err := s.db.Exec(ctx, "INSERT INTO sends (cliente, key, message_id, body_hash, done, sent_at, created_at) VALUES ($1, $2, 'M', $3, $4, $5, $6)",
				5, key, make([]byte, 32), done, at, micros(now.Add(-row.created))); err != nil {
				t.Fatal(err)
			}
		}
		for i, want := range []int64{2, 1, 0} {
			if n, err := s.ForgetSends(ctx, 24*time.Hour, 2); n != want || err != nil {
				t.Errorf("time %d: %d forgotten, %v; want %d", i, n, err, want)
			}
		}
		left := column(t, s, "SELECT key FROM sends ORDER BY key")
		if want := []string{"new and done", "new and unknown", "old and unknown, in time", "old, done a moment ago"}; !slices.Equal(left, want) {
			t.Errorf("left: %q", left)
		}
	})
}

// What a silent process said goes; what successors may wait for stays, also of one whose version
// does not say when it was touched.
func TestOldNotesAreForgotten(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		ctx := deadline(t)
		rides, ended, stopped := open(t, url, "rides"), open(t, url, "ended"), open(t, url, "stopped")
		_, ridesErr := rides.Poll(ctx)
		_, endedErr := ended.Poll(ctx)
		for _, err := range []error{ridesErr, endedErr, ended.EndNote(ctx), stopped.AllStopped(ctx, ownership.Token{Generation: 1, Revision: 9})} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for name, at := range map[string]string{"'silent'": "1", "'older version'": rides.dialect.now()} {
			if _, err := rides.db.Exec(ctx, fmt.Sprintf("INSERT INTO notes (incarnation, node, noted_at, stopped_generation, stopped_revision) VALUES (%s, 'n', %s, 0, 0)", name, at)); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := rides.ForgetNotes(ctx, time.Hour); n != 1 || err != nil {
			t.Errorf("%d forgotten, %v", n, err)
		}
		if left := column(t, rides, "SELECT incarnation FROM notes ORDER BY incarnation"); !slices.Equal(left, []string{"of-ended", "of-rides", "of-stopped", "older version"}) {
			t.Errorf("left: %q", left)
		}
	})
}
