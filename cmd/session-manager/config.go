package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"gopkg.in/yaml.v3"
)

// configFile is a YAML file of flags: under their command's name ("serve: {start-rate: 7}"), or by
// themselves ("start-rate: 7"). A key that no flag has is an error, which names it.
type configFile struct {
	values map[string]any // by the dashed path of their keys
	groups map[string]any // likewise, what is not a value
}

func loadConfig(r io.Reader) (kong.Resolver, error) {
	tree := map[string]any{}
	if err := yaml.NewDecoder(r).Decode(&tree); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("--config: %w", err)
	}
	file := configFile{values: map[string]any{}, groups: map[string]any{}}
	file.read(tree, "")
	return file, nil
}

func (f configFile) read(tree map[string]any, path string) {
	for key, value := range tree {
		if group, isGroup := value.(map[string]any); isGroup {
			f.groups[path+key] = group
			f.read(group, path+key+"-")
		} else {
			f.values[path+key] = value
		}
	}
}

// Resolve returns the value of a flag, nil where the file has none.
func (f configFile) Resolve(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	path := flag.Name
	for n := parent.Node(); n != nil && n.Type != kong.ApplicationNode; n = n.Parent {
		path = n.Name + "-" + path
	}
	for _, name := range []string{path, flag.Name} {
		if value := f.values[name]; value != nil {
			return value, nil
		}
	}
	return nil, nil
}

// Validate refuses keys that are no flag's.
func (f configFile) Validate(app *kong.Application) error {
	flags := make(map[string]bool)
	collect(app.Node, "", flags)
	var unknown []string
	for name, value := range f.values {
		if !flags[name] && (value != nil || !startsAny(flags, name+"-")) { // "serve:" may have nothing in it
			unknown = append(unknown, name)
		}
	}
	for name := range f.groups {
		if flags[name] || !startsAny(flags, name+"-") {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	return fmt.Errorf("--config: unknown key %s: keys are flags without their dashes in front, as --help shows them", strings.Join(unknown, ", "))
}

// collect adds the names of all flags, with and without those of their commands.
func collect(n *kong.Node, path string, flags map[string]bool) {
	for _, flag := range n.Flags {
		if flag.Name != "help" && flag.Name != "config" && flag.Name != "version" {
			flags[flag.Name], flags[path+flag.Name] = true, true
		}
	}
	for _, child := range n.Children {
		collect(child, path+child.Name+"-", flags)
	}
}

func startsAny(flags map[string]bool, prefix string) bool {
	for flag := range flags {
		if strings.HasPrefix(flag, prefix) {
			return true
		}
	}
	return false
}
