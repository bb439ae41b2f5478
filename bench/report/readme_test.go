package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte("# How\n\nIt says how.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := example()
	for range 2 { // the second replaces the first
		if err := r.Publish(readme); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# How\n\nIt says how.\n\n## Measured on 24 November 2026, 10:30\n\n") {
		t.Errorf("it begins\n%.200s", text)
	}
	for _, once := range []string{"\n## Measured on ", "\n### Bars\n", "\n### status\n", "](plots/status.svg)"} {
		if n := strings.Count(string(text), once); n != 1 {
			t.Errorf("%d times %q", n, once)
		}
	}
	var files []string
	for _, pattern := range []string{"*", "plots/*"} {
		found, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, f := range found {
			files = append(files, strings.TrimPrefix(f, dir+"/"))
		}
	}
	if got := strings.Join(files, " "); got != "README.md plots report.json plots/placement.svg plots/status.svg" {
		t.Errorf("files: %s", got)
	}
	again, err := Read(filepath.Join(dir, JSONFile))
	if err != nil || again.Seed != r.Seed {
		t.Errorf("%+v, %v", again, err)
	}
}
