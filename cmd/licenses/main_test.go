package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/licensecheck"
)

// What the binary shows is what it is made of, and no part is under a licence that nobody has looked at.
func TestFaultC13Notices(t *testing.T) {
	t.Chdir("../..")
	if err := run([]string{"--check"}); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go.mau.fi/libsignal", "go.mau.fi/whatsmeow", "GNU GENERAL PUBLIC LICENSE", "Mozilla Public License", "The Go Authors", "modernc.org/sqlite"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no word of %s", want)
		}
	}
}

func TestFaultC13UnknownLicenses(t *testing.T) {
	for want, p := range map[string]part{
		"no licence":             {name: "a"},
		"under AGPL-3.0":         {name: "b", licenses: []string{"AGPL-3.0", "MIT"}},
		"under GPL-3.0":          {name: "c", licenses: []string{"GPL-3.0-or-later"}},
		"":                       {name: "d", licenses: []string{"MIT"}},
		"d v1 is under LGPL-3.0": {name: "d", version: "v1", licenses: []string{"LGPL-3.0"}},
	} {
		if err := judge([]part{p}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
	if s := licensecheck.Scan([]byte("All rights reserved.")); slices.ContainsFunc(s.Match, func(m licensecheck.Match) bool { return !m.IsURL }) {
		t.Error("no licence is taken for one")
	}
}
