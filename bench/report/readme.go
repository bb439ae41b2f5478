package report

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const plotsDir = "plots"

// Publish makes the report a part of a README, which says itself what comes before: all from the
// heading of the report that stands there is replaced, or is added. JSON and plots go beside it.
func (r *Report) Publish(readme string) error {
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	intro, _, _ := strings.Cut(string(text), "#"+measuredOn)
	dir := filepath.Dir(readme)
	plots := filepath.Join(dir, plotsDir)
	if err := r.Write(plots); err != nil {
		return err
	}
	body := strings.ReplaceAll("\n"+r.Markdown(), "\n#", "\n##")
	for _, s := range r.Scenarios {
		for _, p := range s.Plots {
			body = strings.ReplaceAll(body, "]("+p.File+")", "]("+plotsDir+"/"+p.File+")")
		}
	}
	return errors.Join(
		os.Rename(filepath.Join(plots, JSONFile), filepath.Join(dir, JSONFile)),
		os.Remove(filepath.Join(plots, MarkdownFile)),
		replace(readme, fmt.Appendf(nil, "%s\n%s", strings.TrimRight(intro, "\n"), body)),
	)
}
