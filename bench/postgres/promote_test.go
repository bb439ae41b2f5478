package postgres

import "testing"

// A failover keeps what was committed, and is on the next timeline.
func TestFailOver(t *testing.T) {
	s := start(t, Options{})
	fill(t, s.URL())
	for timeline := 2; timeline < 4; timeline++ {
		if err := s.FailOver(deadline(t)); err != nil {
			t.Fatal(err)
		}
		wantKept(t, s.URL(), "a failover")
		now, err := query(deadline(t), s.URL(), "SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int")
		if err != nil || now != timeline {
			t.Errorf("timeline %d, %v; want %d", now, err, timeline)
		}
	}
	s.Stop()
	if err := s.Standby(deadline(t)); err != nil {
		t.Fatal(err)
	}
	wantKept(t, s.URL(), "a stop, by a standby")
	if _, err := query(deadline(t), s.URL(), "CREATE TABLE other AS SELECT 1 AS n"); err == nil {
		t.Error("a standby can be written")
	}
}
