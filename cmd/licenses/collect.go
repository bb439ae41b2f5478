package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// part is a module that the binary has code of, or Go itself.
type part struct {
	name, version string
	licenses      []string // SPDX, sorted
	notices       []string // whole texts, as their files have them
}

// goPackage is what go list says of a package.
type goPackage struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// collect reads the notices of all parts, sorted by name: those beside the packages that are linked, and those above them.
func collect(pkg string) ([]part, error) {
	command := exec.Command("go", "list", "-deps", "-json=Dir,Standard,Module", pkg)
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64") // as it is built
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	byName := map[string]*part{}
	seen := map[string]bool{} // directories
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Standard || p.Module == nil || p.Module.Main {
			continue
		}
		one := byName[p.Module.Path]
		if one == nil {
			one = &part{name: p.Module.Path, version: p.Module.Version}
			byName[p.Module.Path] = one
		}
		for dir := p.Dir; !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			if err := one.read(dir); err != nil {
				return nil, err
			}
			if dir == p.Module.Dir {
				break
			}
		}
	}
	golang := &part{name: "Go, its runtime and standard library"}
	if err := golang.read(goroot()); err != nil {
		return nil, err
	}
	parts := []part{*golang}
	for _, one := range byName {
		parts = append(parts, *one)
	}
	slices.SortFunc(parts, func(a, b part) int { return strings.Compare(a.name, b.name) })
	return parts, nil
}

func goroot() string {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// names are how files of notices begin, in lower case.
var names = []string{"license", "licence", "copying", "notice", "copyright", "patents", "unlicense"}

// read adds the notices of one directory.
func (p *part) read(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := strings.ToLower(e.Name())
		begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
		if e.IsDir() || !slices.ContainsFunc(names, begins) || strings.HasSuffix(name, ".go") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		for _, match := range licensecheck.Scan(text).Match {
			if !match.IsURL && !slices.Contains(p.licenses, match.ID) {
				p.licenses = append(p.licenses, match.ID)
			}
		}
		p.notices = append(p.notices, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	slices.Sort(p.licenses)
	return nil
}
