package keys

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"session-manager/node/ownership"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestMakeCheckRevoke(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	all, err := Make(path, "hub", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	some, err := Make(path, "front-end", false, []ownership.Cliente{7, 51})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), all) || strings.Contains(string(text), some) {
		t.Error("the file holds a key as it is")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if g := f.Check([]byte(all)); g == nil || g.Name != "hub" || !g.Allows(1) {
		t.Errorf("hub: %+v", g)
	}
	if g := f.Check([]byte(some)); g == nil || !g.Allows(51) || !g.Allows(7) || g.Allows(8) {
		t.Errorf("front-end: %+v", g)
	}
	for _, wrong := range []string{"", "smk_", all + "x", all[:len(all)-1], "hub"} {
		if g := f.Check([]byte(wrong)); g != nil {
			t.Errorf("%q is taken for %s", wrong, g.Name)
		}
	}
	if _, err := Make(path, "hub", true, nil); !errors.Is(err, ErrNameTaken) {
		t.Errorf("the same name twice: %v", err)
	}
	if err := Revoke(path, "nobody"); !errors.Is(err, ErrUnknownName) {
		t.Errorf("unknown name: %v", err)
	}
	if err := Revoke(path, "hub"); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if again.Check([]byte(all)) != nil || again.Check([]byte(some)) == nil {
		t.Error("revoking one key did not take just that one")
	}
}

func TestFollow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	key, err := Make(path, "hub", true, nil)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var follow sync.WaitGroup
	follow.Go(func() { f.Follow(ctx, time.Millisecond, slog.New(slog.DiscardHandler)) })
	defer follow.Wait()
	defer cancel()
	if err := Revoke(path, "hub"); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); f.Check([]byte(key)) != nil; {
		if time.Now().After(deadline) {
			t.Fatal("a revoked key still works")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestParseRefuses(t *testing.T) {
	hash := strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		"hub\n":                                     "line 1: want NAME",
		"# fine\n\nhub " + hash + " 5x\n":           "line 3",
		"hub " + hash[2:] + " *\n":                  "not a SHA-256",
		"h/b " + hash + " *\n":                      "letters",
		"hub " + hash + " *\nhub " + hash + " 51\n": "line 2: a key of that name",
		"hub " + hash + " 0\n":                      "not a positive integer",
	} {
		if _, err := Parse(text); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	s, err := Parse("# keys\nhub " + hash + " 9,2,9\n")
	if err != nil || s.String() != "hub "+hash+" 2,9\n" {
		t.Errorf("got %q, %v", s.String(), err)
	}
}
