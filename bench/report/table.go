package report

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// table is a Markdown table whose columns are in line, so that it can be read as it is.
type table struct {
	rows  [][]string // the first is the head
	right []bool     // columns that end in line
}

func (t *table) add(cells ...string) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = strings.ReplaceAll(strings.ReplaceAll(c, "|", `\|`), "\n", " ")
	}
	t.rows = append(t.rows, row)
}

// String leaves out a column that has nothing but its head.
func (t *table) String() string {
	t.dropEmpty()
	widths := make([]int, len(t.rows[0]))
	for i := range widths {
		widths[i] = 3
		for _, row := range t.rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var text strings.Builder
	for n, row := range t.rows {
		for i, c := range row {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c))
			if t.right[i] {
				text.WriteString("| " + gap + c + " ")
			} else {
				text.WriteString("| " + c + gap + " ")
			}
		}
		text.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i := range row {
			rule := strings.Repeat("-", widths[i])
			if t.right[i] {
				rule = rule[1:] + ":"
			}
			text.WriteString("| " + rule + " ")
		}
		text.WriteString("|\n")
	}
	return text.String()
}

func (t *table) dropEmpty() {
	for i := len(t.right) - 1; i >= 0 && len(t.rows) > 1; i-- {
		if slices.ContainsFunc(t.rows[1:], func(row []string) bool { return row[i] != "" }) {
			continue
		}
		t.right = slices.Delete(t.right, i, i+1)
		for n := range t.rows {
			t.rows[n] = slices.Delete(t.rows[n], i, i+1)
		}
	}
}
