package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"session-manager/node/ownership"
)

// born is a store that a cluster runs with, in its first generation.
func born(t *testing.T, url string) *Store {
	t.Helper()
	s, ctx := open(t, url, "n1"), deadline(t)
	if err := errors.Join(s.PutBirth(ctx, ownership.Identity{UUID: "u", Generation: 1}), s.PutLineage(ctx, ownership.Lineage{}), s.MarkBorn(ctx), s.SawRevision(ctx, 9)); err != nil {
		t.Fatal(err)
	}
	return s
}

func birth(t *testing.T, s *Store) Birth {
	t.Helper()
	b, err := s.Birth(deadline(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLineageIsWrittenDown(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s := born(t, url)
		b := birth(t, s)
		if b.Was != b.Is || !b.Born || b.Identity.Generation != 1 || (b.Is != ownership.Lineage{}) != (s.Kind() == "postgres") {
			t.Errorf("%+v", b)
		}
		if st, err := s.Poll(deadline(t)); err != nil || st.Moved || st.Generation != 1 {
			t.Errorf("%+v, %v", st, err)
		}
		if _, err := s.NewGeneration(deadline(t)); err != nil {
			t.Fatal(err)
		}
		if now := birth(t, s); now.Was != b.Is || now.Is != b.Is || now.Identity.Generation != 2 {
			t.Errorf("%+v", now)
		}
	})
}

// Rule 13: a standby is promoted, which ends all polls and begins one new generation, whichever
// node writes it down.
func TestFailover(t *testing.T) {
	ctx := deadline(t)
	server, url := serverOfItsOwn(t)
	s := born(t, url)
	was := birth(t, s).Is
	server.Kill()
	if err := server.Standby(ctx); err != nil {
		t.Fatal(err)
	}
	for begun := time.Now(); time.Since(begun) < time.Second; { // its connections to the old server break first
		if st, err := s.Poll(ctx); err == nil {
			t.Fatalf("a standby vouches: %+v", st)
		}
		if b, err := s.Birth(ctx); err == nil {
			t.Fatalf("a standby counts as the store: %+v", b)
		}
	}
	if err := server.Promote(ctx); err != nil {
		t.Fatal(err)
	}
	if st, err := s.Poll(ctx); err != nil || !st.Moved {
		t.Errorf("%+v, %v", st, err)
	}
	b := birth(t, s)
	if b.Was != was || b.Is != (ownership.Lineage{System: was.System, Timeline: was.Timeline + 1}) {
		t.Errorf("%+v", b)
	}
	for _, node := range []*Store{s, open(t, url, "n2")} {
		if err := node.PutLineage(ctx, was); err != nil {
			t.Fatal(err)
		}
	}
	want := Birth{Identity: ownership.Identity{UUID: "u", Generation: 2}, Revision: 9, Was: b.Is, Is: b.Is}
	if now := birth(t, s); now != want {
		t.Errorf("%+v, want %+v", now, want)
	}
	if st, err := s.Poll(ctx); err != nil || st.Moved || st.Generation != 2 {
		t.Errorf("%+v, %v", st, err)
	}
}

// What was written in another database is not this one's, until an operator says so.
func TestAnotherDatabase(t *testing.T) {
	s, ctx := born(t, databases.URL(t)), deadline(t)
	if _, err := s.db.Exec(ctx, "UPDATE birth SET system_id = '42'"); err != nil {
		t.Fatal(err)
	}
	before := birth(t, s)
	if before.Was.System != "42" || before.Is.System == "42" {
		t.Errorf("%+v", before)
	}
	if err := s.PutLineage(ctx, before.Was); err != nil || birth(t, s) != before {
		t.Errorf("%+v, %v", birth(t, s), err)
	}
	if st, err := s.Poll(ctx); err != nil || !st.Moved {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := s.NewGeneration(ctx); err != nil {
		t.Fatal(err)
	}
	if now := birth(t, s); now.Was != now.Is || now.Identity.Generation != 2 {
		t.Errorf("%+v", now)
	}
}

// A server that keeps its identity to itself is used all the same, and that is said once.
func TestLineageKeptBack(t *testing.T) {
	url, ctx := databases.URL(t), deadline(t)
	admin := open(t, url, "admin")
	guest := fmt.Sprintf("guest_%d", time.Now().UnixNano()) // roles are the server's, which other tests have too
	for _, statement := range []string{
		"CREATE ROLE " + guest + " LOGIN", "GRANT ALL ON SCHEMA public TO " + guest, "GRANT ALL ON ALL TABLES IN SCHEMA public TO " + guest,
		"REVOKE EXECUTE ON FUNCTION pg_control_system FROM PUBLIC", "REVOKE EXECUTE ON FUNCTION pg_walfile_name FROM PUBLIC",
	} {
		if _, err := admin.db.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	var log bytes.Buffer
	s, err := Open(ctx, Config{URL: strings.Replace(url, "postgres@", guest+"@", 1), Process: ownership.Process{Node: "n1", Incarnation: "of-n1"},
		Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := errors.Join(s.PutBirth(ctx, ownership.Identity{UUID: "u", Generation: 1}), s.PutLineage(ctx, ownership.Lineage{})); err != nil {
		t.Fatal(err)
	}
	if b := birth(t, s); b != (Birth{Identity: ownership.Identity{UUID: "u", Generation: 1}}) {
		t.Errorf("%+v", b)
	}
	if n := strings.Count(log.String(), "does not tell which one it is"); n != 2 {
		t.Errorf("%d warnings, want one each: %s", n, log.String())
	}
}
