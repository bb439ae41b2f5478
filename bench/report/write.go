package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// Names of what Write writes, beside the plots.
const (
	JSONFile     = "report.json"
	MarkdownFile = "report.md"
)

// measuredOn begins a report.
const measuredOn = "# Measured on "

// Write writes the report into a directory, which it makes: for machines, for people, and the
// plots. What is there already is replaced. A plot that cannot be drawn becomes a note.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var errs []error
	for _, s := range r.Scenarios {
		s.Plots = slices.DeleteFunc(s.Plots, func(p Plot) bool {
			var svg bytes.Buffer
			if err := p.Draw(&svg); err != nil {
				s.Note("Plot %s could not be drawn: %v", p.File, err)
				return true
			}
			errs = append(errs, replace(filepath.Join(dir, p.File), svg.Bytes()))
			return false
		})
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	errs = append(errs, replace(filepath.Join(dir, JSONFile), append(raw, '\n')), replace(filepath.Join(dir, MarkdownFile), []byte(r.Markdown())))
	return errors.Join(errs...)
}

// replace writes in one step: whoever cuts the run short leaves the old report or the new one.
func replace(path string, text []byte) error {
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Read reads what Write wrote as JSON.
func Read(path string) (*Report, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}
