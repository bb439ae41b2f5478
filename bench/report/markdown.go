package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Markdown is the report for people: first what was promised and whether it holds, then each
// scenario with all that it measured.
func (r *Report) Markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s%s\n\n", measuredOn, r.Begun.Format("2 January 2006, 15:04"))
	if r.Quick {
		text.WriteString("**A quick run:** sizes and rounds are cut down, so that the figures are for orientation only.\n\n")
	}
	m := r.Machine
	fmt.Fprintf(&text, "%s, %d cores, %s GB of memory; %s, Linux %s%s. Seed %d. It took %s.\n\n",
		m.CPU, m.Cores, number(float64(m.Memory)/(1<<30)), m.OS, m.Kernel, m.costs(), r.Seed, lasting(r.Took))
	if len(r.Versions) > 0 {
		text.WriteString("Versions: " + joined(r.Versions, " ") + ".\n\n")
	}
	text.WriteString("Figures are medians, with the least and the most of the rounds in parentheses. A ratio (×) is\n" +
		"taken between things that were measured one right after the other, in the same round.\n\n")
	if len(r.Others) > 0 {
		text.WriteString("Beside them stand the medians of other runs, in the order below, and where by all of these, and this one, 95 of\n" +
			"100 further runs' medians are expected (a prediction interval by Student's t, of logarithms where all are positive).\n\n")
		for _, o := range r.Others {
			text.WriteString("- " + o.named() + "\n")
		}
		text.WriteString("\n")
	}
	text.WriteString("## Bars\n\n")
	text.WriteString(r.Summary())
	for _, s := range r.Scenarios {
		text.WriteString("\n" + s.markdown())
	}
	return text.String()
}

// costs is what its kernel takes, where that was measured.
func (m Machine) costs() string {
	if m.Call == 0 || m.Touch == 0 {
		return ""
	}
	return fmt.Sprintf(", where a system call takes %s µs and the first touch of a page %s µs", number(m.Call/1000), number(m.Touch/1000))
}

// Summary is the table of all bars, and how many are met.
func (r *Report) Summary() string {
	t := table{right: []bool{false, false, true, true, true, true, false}}
	t.add("scenario", "what", "measured", "other runs", "95 of 100 runs", "bar", "")
	bars, met := 0, 0
	var failed []string
	for _, s := range r.Scenarios {
		for _, f := range s.Figures {
			if f.Bar == nil {
				continue
			}
			bars++
			if f.Met() {
				met++
			}
			t.add(s.Name, f.Name, f.measured(), f.others(), f.stated(), f.bar(), f.verdict())
		}
		if s.Err != "" {
			failed = append(failed, s.Name)
		}
	}
	text := "No scenario has a bar.\n"
	if bars > 0 {
		text = fmt.Sprintf("%s\n%d of %d bars are met.\n", t.String(), met, bars)
	}
	if len(failed) > 0 {
		text += "\nCould not be carried out: " + strings.Join(failed, ", ") + ".\n"
	}
	return text
}

func (s *Scenario) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, "## %s\n\n%s\n\n", s.Name, s.About)
	if s.Err != "" {
		fmt.Fprintf(&text, "**It could not be carried out:**\n\n    %s\n\n", strings.ReplaceAll(strings.TrimSpace(s.Err), "\n", "\n    "))
	}
	if len(s.Params) > 0 {
		text.WriteString("Parameters: " + joined(s.Params, " ") + ". ")
	}
	fmt.Fprintf(&text, "It took %s.\n", lasting(s.Took))
	if len(s.Figures) > 0 {
		t := table{right: []bool{false, true, true, true, true, false}}
		t.add("what", "measured", "other runs", "95 of 100 runs", "bar", "")
		for _, f := range s.Figures {
			t.add(f.Name, f.measured(), f.others(), f.stated(), f.bar(), f.verdict())
		}
		text.WriteString("\n" + t.String())
	}
	for _, p := range s.Plots {
		fmt.Fprintf(&text, "\n![%s](%s)\n", p.Title, p.File)
	}
	if len(s.Notes) > 0 {
		text.WriteString("\n")
		for _, n := range s.Notes {
			text.WriteString("- " + strings.ReplaceAll(strings.TrimSpace(n), "\n", "\n  ") + "\n")
		}
	}
	return text.String()
}

// joined is "a 1, b 2", sorted.
func joined(m map[string]string, between string) string {
	var words []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		words = append(words, k+between+m[k])
	}
	return strings.Join(words, ", ")
}
