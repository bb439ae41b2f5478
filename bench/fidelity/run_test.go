package fidelity

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// What judges is the version that was read, and the bytes that were read: npm refuses others. Where it gets
// them is the machine's business.
func TestTheJudgeIsPinned(t *testing.T) {
	var wanted struct {
		Dependencies map[string]string
	}
	read(t, "js/package.json", &wanted)
	if len(wanted.Dependencies) != 1 || wanted.Dependencies["@whiskeysockets/baileys"] != "7.0.0-rc14" {
		t.Fatalf("dependencies: %v", wanted.Dependencies)
	}
	var lock struct {
		Packages map[string]struct{ Version, Resolved, Integrity string }
	}
	raw := read(t, "js/package-lock.json", &lock)
	if len(lock.Packages) < 2 || strings.Contains(raw, `"resolved"`) {
		t.Fatalf("%d packages, resolved: %v", len(lock.Packages), strings.Contains(raw, `"resolved"`))
	}
	for name, p := range lock.Packages {
		if name != "" && (!strings.HasPrefix(p.Integrity, "sha512-") || p.Version == "") {
			t.Errorf("%s is not pinned: %+v", name, p)
		}
	}
	options, err := os.ReadFile("js/.npmrc")
	if err != nil || !strings.Contains(string(options), "omit-lockfile-registry-resolved=true") || !strings.Contains(string(options), "ignore-scripts=true") {
		t.Errorf(".npmrc: %v %s", err, options)
	}
}

func read(t *testing.T, file string, into any) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(raw, into)
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Who has not installed it is told what to do, before anything is started.
func TestWhatIsMissingIsNamed(t *testing.T) {
	o := Options{BinDir: t.TempDir(), Dir: t.TempDir(), Out: io.Discard, Limit: time.Minute}
	if err := Run(t.Context(), o); !errors.Is(err, ErrMissing) {
		t.Fatalf("without Baileys: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if err := Run(t.Context(), o); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "install.sh npm") {
		t.Fatalf("without Node.js: %v", err)
	}
}

// Baileys copies the function that looks at signatures when it is loaded: what makes it strict comes before.
func TestStrictnessIsLoadedFirst(t *testing.T) {
	raw, err := os.ReadFile("js/companion.mjs")
	if err != nil {
		t.Fatal(err)
	}
	strict, baileys := strings.Index(string(raw), "'./strict.mjs'"), strings.Index(string(raw), "'@whiskeysockets/baileys'")
	if strict < 0 || baileys < strict {
		t.Fatalf("strict.mjs at %d, Baileys at %d", strict, baileys)
	}
}
