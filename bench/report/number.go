package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// number writes a figure so that it can be read: three digits, thousands apart.
func number(v float64) string {
	size := math.Abs(v)
	switch {
	case v == 0:
		return "0"
	case size >= 999.5:
		return thousands(strconv.FormatFloat(math.Round(v), 'f', 0, 64))
	case size < 1e-6:
		return strconv.FormatFloat(v, 'e', 2, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(size)))
	text := strconv.FormatFloat(v, 'f', max(0, digits), 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

func thousands(digits string) string {
	sign := ""
	if digits[0] == '-' {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

// with is a number with its unit.
func with(v float64, unit string) string {
	switch unit {
	case "":
		return number(v)
	case "x":
		return number(v) + " ×"
	case "us":
		return number(v) + " µs"
	}
	return number(v) + " " + unit
}

// measured is the median with its spread.
func (f Figure) measured() string {
	if len(f.Values) == 0 {
		return "not measured"
	}
	text := with(f.Median(), f.Unit)
	if least, most := f.Spread(); len(f.Values) > 1 {
		text += fmt.Sprintf(" (%s – %s)", number(least), number(most))
	}
	return text
}

// bar is what it is held against; "" where there is none.
func (f Figure) bar() string {
	switch {
	case f.Bar == nil:
		return ""
	case f.Bar.AtLeast:
		return "≥ " + with(f.Bar.Value, f.Unit)
	}
	return "≤ " + with(f.Bar.Value, f.Unit)
}

// verdict says whether the bar is met, or by how much it is not.
func (f Figure) verdict() string {
	switch {
	case f.Bar == nil:
		return ""
	case f.Met():
		return "✔ met"
	case len(f.Values) == 0:
		return "✘ not measured"
	}
	gap := math.Abs(f.Median() - f.Bar.Value)
	word := "over"
	if f.Bar.AtLeast {
		word = "short"
	}
	if f.Bar.Value == 0 {
		return fmt.Sprintf("✘ %s %s", with(gap, f.Unit), word)
	}
	percent := 100 * gap / math.Abs(f.Bar.Value)
	if percent < 0.05 {
		return "✘ a little " + word
	}
	return fmt.Sprintf("✘ %s %% %s", strconv.FormatFloat(percent, 'f', map[bool]int{true: 1, false: 0}[percent < 9.95], 64), word)
}

// lasting is a time in words that people use.
func lasting(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second)).Round(time.Second)
	switch {
	case d < time.Second:
		return number(seconds*1000) + " ms"
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
}
