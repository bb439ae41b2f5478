package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"
	"gopkg.in/yaml.v3"
)

// configFile is a YAML file of flags: under their command's name ("serve: {start-rate: 7}"), or by
// themselves ("start-rate: 7"). A key that no flag has is an error, which names it.
type configFile struct {
	kong.Resolver
	values map[string]any
}

func loadConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	file := configFile{values: map[string]any{}}
	if err := yaml.Unmarshal(text, &file.values); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if file.Resolver, err = kongyaml.Loader(strings.NewReader(string(text))); err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	return file, nil
}

// Resolve returns the value of a flag, nil where the file has none.
func (f configFile) Resolve(ctx *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
	value, err := f.Resolver.Resolve(ctx, parent, flag)
	if value == nil && err == nil {
		value = f.values[flag.Name]
	}
	if _, isGroup := value.(map[string]any); isGroup {
		return nil, fmt.Errorf("--config: %s: want a value, not a group of keys", flag.Name)
	}
	return value, err
}

// Validate refuses keys that are no flag's.
func (f configFile) Validate(app *kong.Application) error {
	flags := make(map[string]bool)
	collect(app.Node, "", flags)
	var unknown []string
	check(f.values, "", flags, &unknown)
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

func check(values map[string]any, path string, flags map[string]bool, unknown *[]string) {
	for key, value := range values {
		name := path + key
		group, isGroup := value.(map[string]any)
		switch {
		case isGroup:
			check(group, name+"-", flags, unknown)
		case value == nil && path == "" && startsAny(flags, name+"-"): // "serve:" with nothing in it
		case !flags[name]:
			*unknown = append(*unknown, key)
		}
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
