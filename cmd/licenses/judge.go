package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// taken are the licences whose conditions a binary with its notices meets, and which go together with the GPL-3.0.
var taken = []string{"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BlueOak-1.0.0", "CC0-1.0", "GooglePatentsFile", "ISC", "MIT", "MIT-0", "MPL-2.0", "Unlicense", "Zlib", "0BSD"}

// beyond are the parts that ask for more, each looked at: the binary as a whole is under what they say.
var beyond = map[string][]string{"go.mau.fi/libsignal": {"GPL-3.0", "GPL-3.0-or-later"}}

// judge refuses parts whose licence is none that was looked at.
func judge(parts []part) error {
	var errs []error
	for _, p := range parts {
		if len(p.licenses) == 0 {
			errs = append(errs, fmt.Errorf("%s %s has no licence that is known", p.name, p.version))
		}
		for _, license := range p.licenses {
			if !slices.Contains(taken, license) && !slices.Contains(beyond[p.name], license) {
				errs = append(errs, fmt.Errorf("%s %s is under %s, which nobody has looked at (cmd/licenses/judge.go)", p.name, p.version, license))
			}
		}
	}
	return errors.Join(errs...)
}

// render is the file: a list of all parts, then each text once, with those that it is of.
func render(parts []part) string {
	var b strings.Builder
	b.WriteString("session-manager is made of the following. Its own sources are under the Apache License 2.0. The binary as a whole is under\n" +
		"the GNU General Public License 3.0, since it links go.mau.fi/libsignal; go.mau.fi/whatsmeow and others are under the Mozilla Public\n" +
		"License 2.0. The sources of each part are those of the Go module and the version named here.\n\n")
	of := map[string][]string{} // names by text
	var texts []string
	for _, p := range parts {
		fmt.Fprintf(&b, "%-60s %-40s %s\n", p.name, p.version, strings.Join(p.licenses, ", "))
		for _, text := range p.notices {
			if of[text] == nil {
				texts = append(texts, text)
			}
			if !slices.Contains(of[text], p.name) {
				of[text] = append(of[text], p.name)
			}
		}
	}
	for _, text := range texts {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 100), strings.Join(of[text], "\n"), text)
	}
	return b.String()
}
